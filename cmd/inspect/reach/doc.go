// Package reach says who reaches whom: WhoCan lists those who reach a port, From lists what an end
// reaches, Matrix lists both for all workloads, and Diff compares two states of a cluster.
//
// All of them ask about workloads. Pods of a workload that every policy treats alike are asked
// about once (ask.Cluster.Groups) and counted.
package reach
