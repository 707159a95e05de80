// Package graph is the in-memory policy graph: what is true of the cluster, and what the kernel of one
// node should therefore hold, kept up to date one event at a time.
//
//	Event ──Apply──► namespaces ── groups of pods with the same labels ── addresses
//	                     │           │ matched by
//	                 policies     selectors ──► sets        only those that this node's chains speak of
//	                     └── chains of this node's pods ──┘
//	                                │
//	           Changes ──► ruleset.Delta      what changed since Changes was last called
//	           Program ──► *ruleset.Program   everything
//
// An event costs in proportion to what it touches: a pod to the sets of those that have its labels, one with labels of
// its own to the selectors that may match it (an index finds them), and on its own node to the policies of its
// namespace; never to the size of the cluster. What policies can ask for is bounded: see policy.Budgets.
//
// Laws, each tested over random histories:
//
//	Program() equals policy.Compile(Snapshot())
//	a kernel that applied every Changes() holds Program()
//
// The graph is pure and belongs to one goroutine.
package graph
