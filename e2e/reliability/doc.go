// Command reliability does to Picket what machines and people do to it, while traffic runs, and
// counts what that costs: LEAK, the forbidden packets that arrived, and BREAK, the permitted ones
// that did not. Both must be 0.
//
//	 manifests ── churn                                rows: kill, swap, tamper, break system calls …
//	     │                                               │
//	     ▼            node n1                            ▼             node n2
//	┌────────────────────────────────────┐         ┌────────────────────────────────────┐
//	│ bin/picket agent ─► table picket   │         │ bin/picket agent ─► table picket   │
//	│                                    │         │                                    │
//	│ web  ◄── near  ◄───────────────────┼─────────┼── far      permitted               │
//	│ web  ✗── alien ✗───────────────────┼─────────┼── rogue    forbidden by n1         │
//	│ free ✗─────────────────────────────┼─────────┼── caged    forbidden by n2         │
//	└────────────────────────────────────┘         └────────────────────────────────────┘
//	   e2e/probe in every pod, IPv4 and IPv6: 10 UDP flows of 1,000 packets a second,
//	   7 of new TCP connections, 2 connections that are held
//
// Nodes and pods are network namespaces (cmd/sandbox); there is no cluster, and no API server but in
// the rows moving-*, which run other engines as they are published (../rivals).
// Everything runs inside of namespaces of the program's own and ends with it.
//
// # Black box
//
// Of the product there are only its program, its flags and what it serves, and cmd/sandbox, which
// is made for tests. The rows upgrade, clock and the tests of broken products need programs that no
// flag gives: they are built from the product's source with a text in it replaced (build.go).
//
// # The table
//
// A row is a fault: one file row_NAME.go with a type that implements row, and its place in the list
// of rows. What it alone needs stands beside it, in row_NAME_*.go; all other files are the harness:
// testbed (nodes, pods, agents), flows and traffic (what is sent and counted), report and table.
//
// A row has a testbed of its own, in which
//
//   - without an agent, every forbidden flow is seen to arrive: a prober that could not see a leak
//     would count none;
//     a row with packets of its own sends them, too (CheckUnfiltered);
//   - the agents start, then the traffic, then the fault is injected;
//   - in the end the kernel must hold what an agent makes that finds nothing.
//
// LEAK and BREAK come from sequence numbers at both ends. What a full socket or the queue of a
// processor has lost is counted apart and taken off BREAK. What a row sends beside the flows of the
// drawing counts in the same columns. Resets are those of permitted connections. No sender was
// silent for longer than FLOOR: a fault that is shorter can go unseen. HOLE is the longest time
// without a packet of a permitted UDP flow; one up to the floor says nothing. A row that cannot be
// run here says why, and is no failure.
//
// Times are compared without what the agent's threads waited for a processor meanwhile, which the
// kernel counts, or the machine stood still: that is the machine's time. What sends and receives
// has a lower priority than the agents.
//
// The exit code is 1 unless LEAK, BREAK and resets are 0 in every row and nothing else that a row
// demands has failed.
package main
