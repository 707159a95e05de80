// Package oracle decides flows by reading the API objects of a cluster, one by
// one, each time anew. It is the second opinion that the compiler is held to:
//
//	            ┌─ ruleset/compile ─ Program.Decide ─┐
//	API objects ┤                                    ├─ must be equal
//	            └─ oracle ────────── World.Allowed ──┘
//
// It is written from the text of the networking.k8s.io/v1 API alone, as loops
// over objects. It shares no code with what it checks, not even the matching
// of label selectors, and is slow on purpose: each function can be read against
// the sentence of the API that it stands for. Package scene holds the flows that
// it must decide right.
//
// # What is decided
//
// A [Flow] is the first packet of a connection as a node's forward hook sees
// it: after Service DNAT, before SNAT. Egress is decided at the node of the
// sender, ingress at the node of the receiver; a connection needs both. Replies
// and related ICMP errors belong to their connection and are not decided, nor
// is IPv6 neighbour discovery. A World has no past: it answers for the objects
// it holds, and a policy that goes on isolating a terminating namespace is one
// of them for as long as it does.
//
// # Audit
//
// A policy that is audited isolates nobody and allows nothing. What is allowed in
// a direction, and would not be if all audited policies were enforced, is audited.
//
// # Wrong input
//
// What cannot be read matches nothing. A policy stays in force for its
// subjects, whatever else is wrong with it. No input makes the package panic.
//
// # Random worlds
//
// [Random] and [Edit] draw small clusters and changes of them for property
// tests, [World.Flows] the flows worth asking about. They lean towards what
// systems of this kind got wrong: shared addresses, port names with several
// meanings, overlapping CIDRs, names that look alike once they are joined.
package oracle
