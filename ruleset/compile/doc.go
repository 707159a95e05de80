// Package compile is the pure compiler from what one node sees of the cluster to that
// node's program.
//
//	policy.Pod, Namespace, Node, Policy ──► Snapshot ──Compile──► ruleset.Program + Problems
//
// Compile works by plain loops over everything. Its pieces stand alone, so that package
// graph can use them for one pod at a time; what Compile does is the meaning, and the
// graph is the fast way to it:
//
//	Subject                       a pod, and the policies that isolate it in a direction
//	  │ GroupKey                  the same for pods with the same chain but for addresses
//	Cache.Template ──► Template   what is the same for all pods of a group
//	  │ Isolation
//	Isolation                     the pod's chain, others that it leads to, their sets
//	  │ SetSource.Members
//	members of sets               what each peer pod puts into a set
//
// # How a chain is written
//
// Up to 16 rules stand in the pod's own chain as the policies state them, each with its
// origins. Of more rules those with the same ports are merged to one, over the union of
// their peers. If even these are more than 16, the port is looked up in a map, and
// leads to a chain of the peers that may use it. All ports and pods with the same peers
// share such a chain, and pods of one group share the map. So a packet meets a handful
// of rules, however many policies select its pod.
//
// # Budgets
//
// Policies can ask for more than a kernel holds. What they need is estimated from counts
// of pods, and bounded for each pod, namespace and node: see [Need] and [Budgets]. A
// policy beyond a budget isolates its pods, allows nothing, and is reported as a Problem.
package compile
