// Package policy is what a NetworkPolicy means: the pure compiler from Kubernetes objects to a ruleset.
//
//	*corev1.Pod, Namespace, Node ──New…──► Pod, Namespace, Node ─┐
//	*networkingv1.NetworkPolicy  ──Parse─► Policy + Problems     ─┴─► Snapshot ──Compile──► ruleset.Program
//
// The pieces stand alone, so that an incremental graph can use them one pod at a time: Subjects.Matches
// says which policies isolate a pod, Pod.Alike with which others it is judged alike, Drafts.Judgement assembles its
// chain and names the sets and chains that it needs, and SetSource.Members says which elements a peer puts into such a
// set. Compile does the same for everything at once by plain loops; it is the meaning, the graph is the fast way to it.
//
// Wrong input never allows anything: the part that cannot be understood matches nothing, its policy's
// subjects stay isolated, and a Problem says which field of which object is wrong.
package policy
