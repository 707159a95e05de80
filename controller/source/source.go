// Package source is what the sources of the cluster's state tell the controller. Those that there are have a
// package each: cluster reads the API of a cluster, folder reads manifests.
//
//	API server ── cluster ──┐
//	                        ├──Mail──► controller
//	files ────── folder ────┘
//
// Only these packages know client-go.
package source

import "github.com/picket-project/picket/controller/graph"

// Mail is what a source has to say, in the order in which it became true.
type Mail struct {
	Events []graph.Event
	Synced bool // everything that there was at the start has been said by now
	// Complaints replace the source's earlier ones, if not nil: what it cannot read, by subject.
	Complaints map[string]string
	// Blind says that some of it was never read, or cannot be followed from the start: the node is not ready.
	// Otherwise the last good state of all that Complaints speak of is in force, and they are warnings.
	Blind bool
}
