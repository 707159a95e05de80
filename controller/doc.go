// Package controller is the loop of one node: it takes events from a source into the graph, and the
// changes of the graph into a firewall.
//
//	Source ──Mail──► mailbox ──► loop: graph.Apply … graph.Changes ──Delta──► Firewall.Apply
//	(package source)                │                                              │ failed, or
//	                                │◄──── Firewall.Observe, ruleset.Diff ◄────────┘ due for recheck
//	                                └────► Health (/healthz, /readyz, /metrics), Reporter (Events)
//
// Until the source has delivered all that there was at the start, the kernel is left as it is, but
// that unknown pods are denied where that is wanted: that can only close more. After a failure
// nothing is assumed: what the kernel holds is observed, compared and repaired; start, recheck and
// recovery are that one path. Shutting down leaves the rules in place.
//
// One goroutine owns the graph and the firewall; the source sends it values.
package controller
