// Package controller is the loop of one node: it takes in what sources say, keeps the graph, and
// carries what the graph wants into a firewall.
//
//	Source ──Mail──► mailbox ──► loop: graph.Apply … graph.Changes ──Delta──► Firewall.Apply
//	(Cluster, Folder)               │                                              │ failed or due for audit
//	                                │◄──── Firewall.Observe, ruleset.Diff ◄────────┘
//	                                └────► Health (/healthz, /readyz, /metrics), Reporter (Events)
//
// Until every source has said all that there was at the start, the kernel is left as it is. After a
// failure nothing is assumed: what the kernel holds is observed, compared and repaired; start,
// audit and recovery are that one path. Shutting down leaves the rules in place.
//
// One goroutine owns the graph and the firewall; sources send it values. What an object says, only
// the graph holds: a mirror of the API turns each into news as it is read, page by page, and
// remembers hashes.
package controller
