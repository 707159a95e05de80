// Package policy is what a NetworkPolicy means: Kubernetes objects as small values.
//
//	*corev1.Pod, Namespace, Node ──New…──► Pod, Namespace, Node
//	*networkingv1.NetworkPolicy  ──Parse─► Policy + Problems
//
// Package compile makes a ruleset of these.
//
// Wrong input never allows anything: the part that cannot be understood matches nothing, its policy's
// subjects stay isolated, and a Problem says which field of which object is wrong.
package policy
