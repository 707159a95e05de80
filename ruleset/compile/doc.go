// Package compile is the pure compiler from the cluster as one node sees it to a ruleset.
//
//	policy.Pod, Namespace, Node, Policy ─► Snapshot ──Compile──► ruleset.Program
//
// The pieces stand alone, so that an incremental graph can use them one pod at a time: policy.Policy.Selects
// says which policies isolate a pod, Alike with which others it is judged alike, Draft.Judgement assembles its
// chain and names the sets and chains that it needs, and SetSource.Members says which elements a peer puts into such a
// set. Compile does the same for everything at once by plain loops; it is the meaning, the graph is the fast way to it.
package compile
