// Package graph is the in-memory policy graph: what is true of the cluster, and what
// the kernel of one node should therefore hold, kept up to date one event at a time.
//
//	Event ──Apply──► namespaces ── groups of pods with the same labels ── addresses
//	                     │           │ matched by
//	                 policies     selectors ──► sets        only those that this node's chains use
//	                     └── chains of this node's pods ──┘
//	                                │
//	           Changes ──► ruleset.Delta      what changed since Changes was last called
//	           Program ──► *ruleset.Program   everything
//
// What an event costs depends on what it touches, never on the size of the cluster. A
// pod costs the sets of the pods that have its labels; one with labels of its own the
// selectors that may match it, which an index finds; and one of this node the policies
// of its namespace. What policies can ask for is bounded: see compile.Budgets.
//
// Laws, each tested over random histories:
//
//	Program() equals compile.Compile(Snapshot())
//	a kernel that applied every Changes() holds Program()
//
// # Words
//
//   - A pod claims the addresses that its object states.
//   - The peer at an address is the pod that other pods' policies mean by it. All pods
//     are peers.
//   - A subject is a pod of this node that policies may isolate. A wrong claim can make
//     it share an address, but not free it: then a stand-in is isolated in the place of
//     all that claim the address, see policy.StandIn. It also stands for a departed
//     pod, one that is deleted while its address is still in use.
//   - A label group is pods of a namespace with the same labels. A policy group is pods
//     of this node that the same policies isolate, see compile.Group.
//   - A pod is dirty while its chains must be assembled again.
//
// # Where what is
//
//	event.go                 what can happen
//	namespace, node, pod     what is true, by kind of object
//	host.go                  what this node's kernel says of its addresses
//	address, dispute         who claims an address, and who has it
//	departed.go              whose address is kept isolated though no object claims it
//	labelgroup, selector     which pods selectors select, and so the members of sets
//	index.go                 how pods and selectors find each other
//	policygroup, resolve     which policies isolate which pods, and their chains
//	budget.go                which policies are beyond a budget
//	fixed, strict            the sets that every program has, or every strict one
//	program, changes         the program, and what changed in it
//	segment.go               what must hold on the bridges of this node
//	query, excerpt           answers about the graph, and parts of its program
//	othernodes, reporter     what concerns other nodes
//
// The graph is pure and belongs to one goroutine.
package graph
