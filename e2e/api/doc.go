// Package api tests Picket as a black box: the binary against a real API server, on real packets, with pods
// that are network namespaces. There is no kubelet here; the folder cluster has some.
package api
