// Package report collects what a person wants to see of a whole cluster: who reaches whom and why,
// which pods have no policy, and what is probably wrong.
//
//	Input ── Of ──▶ Report: the answers of other verbs in one, for programs
//	      ── New ─▶ Data: numbers, shared rows of bits, for the page (package page)
//
// # Contract
//   - Whether a flow is allowed is the verdict of the compiled programs, bit by bit: Group.Out and
//     Target.In; and so is whether audited policies would deny it: OutAudited and InAudited. The
//     policies, rules and needs beside it explain a verdict; they never make one.
//   - Data holds every text and every row once, so that thousands of pods fit into a file that a
//     browser opens at once. Whoever reads it needs no knowledge of selectors: what matches what
//     is in the rows.
package report
