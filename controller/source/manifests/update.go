package manifests

import (
	"cmp"

	"k8s.io/apimachinery/pkg/runtime"
)

// Change says that one object is there (new or changed) or gone.
type Change struct {
	Key
	// Object is a *corev1.Namespace, *corev1.Node, *corev1.Pod or
	// *networkingv1.NetworkPolicy, as Kind says; nil means that it is gone.
	Object runtime.Object
}

// Gone reports whether no file states the object any more.
func (c Change) Gone() bool { return c.Object == nil }

// Update is what changed since the last one. It is meant to be applied as a whole; see
// compareChanges for what its order guarantees where it is not.
type Update struct {
	Changes  []Change
	Problems []Problem // all that there are now, sorted; not only the new ones
	Unread   bool      // some file was never free of problems: objects may be missing
	Skipped  int       // objects of kinds that are not kept, in all files
}

// compareChanges is the order of an Update: first what is there, as namespaces, nodes, policies,
// pods, then what is gone, the other way round; by name within a kind.
//
// Whoever stops half way through must have opened nothing. So a policy comes before the pods that
// it isolates (until they come it selects none), and a namespace before the policies and pods
// that are looked up by its labels. Deletions come last, and pods before policies: a pod that is
// deleted together with its policy is at no time there without it.
func compareChanges(a, b Change) int {
	if a.Gone() != b.Gone() {
		if b.Gone() {
			return -1
		}
		return 1
	}
	kinds := cmp.Compare(a.Kind, b.Kind)
	if a.Gone() {
		kinds = -kinds
	}
	return cmp.Or(kinds, compareNames(a.Key, b.Key))
}
