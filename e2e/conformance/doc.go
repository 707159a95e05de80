// Command conformance holds a running cluster against what others have written about NetworkPolicy:
// Kubernetes' own end-to-end specs and the generated cases of cyclonus. Neither knows Picket.
//
//	netpol.test ─► a process a spec, some at a time ─► JUnit ─┐
//	                                                          ├─► cases ─► a row ─► RESULTS.json ─► RESULTS.md
//	cyclonus ────► one process ─► its log, JUnit ─────────────┘
//
// It reaches the cluster by $KUBECONFIG and finds kubectl in its PATH.
//
// What it promises: every spec of a suite is counted, as passed, failed or skipped. What is skipped
// is named, with the reason. Nothing is tried again in silence: what passed on a second try only is
// listed as flaky. A suite that ends early has failed with all that it left out. Only a whole run
// is written down.
package main
