// Package status says from what the agents of a cluster answer whether all is well, and whether a
// policy is in force everywhere.
//
//	API server: nodes, pods, policies ─┐
//	agents: Status, or why there is none ─┴─► Fleet, Policy ─► print
//
// A node whose agent gave no answer is never taken to be well; a policy that selects no pod there has
// nothing to do on it all the same.
package status
