// Package ruleset is the intermediate form: what the kernel of one node should hold, as plain data.
//
//	Program = Sets + Chains + Dispatch   what is wanted
//	Observed                             what a backend found in the kernel
//	Delta   = Diff(Observed, Program)    what must change, in an order that a kernel accepts
//
//	a packet ─► Dispatch[egress][source]       ─► Chain ─► Step, Step, … , End
//	            Dispatch[ingress][destination] ─► Chain ─► Step, Step, … , End
//
// A pod address that is not dispatched in a direction is free in it. The steps of a chain are rules,
// lookups of the packet's port and calls of other chains, in the order in which a packet takes them
// until one decides: a rule accepts, denies or passes, which leaves the decision to the chain that
// led here. What no step decides about is up to the end. NetworkPolicies make chains that list what
// is allowed, and deny the rest. A packet passes if both directions allow it. Decide gives that
// answer for a flow, with the rules that are the reason.
//
// What a change of a set can open or close follows from the actions of the rules that use the set:
// Members says it, for the scope of open connections and for the order of transactions.
//
// Everything here is a value: comparable or sorted, printed in one canonical text, sent as JSON,
// never changed after it was built. The package knows neither Kubernetes nor a kernel: how long a
// name may be there, and what fits into one transaction, is a backend's business. It imports the
// standard library alone.
package ruleset
