// Package why explains a verdict: which policies isolate a pod, which rule lets a flow through and,
// where none does, which rule comes nearest and what is missing. Patch writes the smallest policies
// that would allow it.
//
//	Cluster, End, Target ── Explain ──▶ Answer: for each direction a Half with its Rules
//	                     ── Patch ────▶ policies that allow it
//
// # Contract
//
//   - The verdict is that of the programs; rules only explain it.
//   - Patch isolates no pod that is free, and returns policies only if they really allow the flow.
package why
