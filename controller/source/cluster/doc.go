// Package cluster is the source that reads the API of a cluster, and writes Events there.
package cluster
