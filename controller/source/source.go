// Package source defines what a source of the cluster's state delivers to the controller. Two
// packages below it are sources: cluster reads the API of a cluster, folder reads manifests.
//
//	API server ──► cluster ──┐
//	                         ├──Mail──► controller
//	files ───────► folder ───┘
//
// They convert objects into events and leave out what changes nothing. Package controller does not
// import client-go: only package cluster does.
package source

import "github.com/picket-project/picket/controller/graph"

// Mail is what changed, and what is wrong with the source. Mail is delivered in the order in
// which it became true.
type Mail struct {
	Events []graph.Event
	// Synced says that all that there was at the start has been delivered by now.
	Synced bool
	// Complaints are what the source cannot read or write, by subject. They replace the earlier
	// ones, unless they are nil.
	Complaints map[string]string
	// Blind says that a part of the state was never read, or cannot be followed from the start:
	// the node is not ready. Otherwise the last good state of all that is in Complaints stays in
	// force, and they are warnings.
	Blind bool
}
