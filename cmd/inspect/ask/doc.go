// Package ask holds a cluster as values that questions are put to, and puts the two simplest ones:
// who is meant by a name, and is a flow allowed.
//
//	policy.Objects, Services ── New ──▶ Cluster ── End ────▶ End, Target: pods and addresses
//	                                            ── Decide ─▶ Half: allowed or denied, by which node
//	                                            ── Groups ─▶ pods that are decided about alike
//
// # Contract
//
//   - The verdict of a flow is that of the compiled programs, which the oracle is compared with.
//     What packages above say of policies and rules explains a verdict; it never makes one.
//   - Programs are compiled for the nodes that an answer needs, once each. A Cluster is for one
//     goroutine.
package ask
