// Package drops says which packets the node has denied, in names: who sent what to whom, and which
// policies isolate the pod whose chain denied it. The rules log a sample of what they deny, and
// count all of it; so a line is a sample, and says how many packets more there were.
//
//	Reader ─► lines of one second ─► Names: the loop's graph ─► Drop ─► Recent, log, Events
//	Counter ─► Sums, per chain ─► how many more there were; metrics by workload
//
// Everything here has a bound, and nothing waits for it: what there is no room for is counted. A
// failure is a metric and a line in the log; the rules stay what they are.
package drops
