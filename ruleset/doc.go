// Package ruleset is the intermediate form: what the kernel of one node should hold, as plain data.
//
//	Program = Sets + Chains + Dispatch        what is wanted
//	Observed                                  what a backend found in the kernel
//	Delta   = Diff(Observed, Program)         what must change, in the order that a kernel needs
//
//	a packet ──► Dispatch[egress][source]      ──► Chain ──► Rule, Rule, … , denial
//	             Dispatch[ingress][destination] ──► Chain ──► Rule, Rule, … , denial
//
// A pod address that is not dispatched in a direction is free in it. A chain holds what is allowed;
// whatever none of its rules allows is denied. A packet needs the consent of both directions.
//
// Everything here is a value: comparable or sorted, printed in one canonical text, never mutated
// after it was built. The package knows neither Kubernetes nor a kernel; it imports the standard
// library alone.
package ruleset
