// Package ruleset is the intermediate form: what the kernel of one node should hold, as plain data.
//
//	Program = Sets + Chains + Dispatch   what is wanted
//	Observed                             what a backend found in the kernel
//	Delta   = Diff(Observed, Program)    what must change, in an order that a kernel accepts
//
//	a packet ─► Dispatch[egress][source]       ─► Chain ─► Rule, Rule, … , Denial
//	            Dispatch[ingress][destination] ─► Chain ─► Rule, Rule, … , Denial
//
// A pod address that is not dispatched in a direction is free in it. A chain lists what is allowed;
// whatever none of its rules allows is denied. A packet passes if both directions allow it. Decide
// gives that answer for a flow, with the rules that are the reason.
//
// Everything here is a value: comparable or sorted, printed in one canonical text, sent as JSON,
// never changed after it was built. The package knows neither Kubernetes nor a kernel: how long a
// name may be there, and what fits into one transaction, is a backend's business. It imports the
// standard library alone.
package ruleset
