package manifests

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Change says that one object is there (new or changed) or gone.
type Change struct {
	Key
	// Object is a *corev1.Namespace, *corev1.Node, *corev1.Pod or
	// *networkingv1.NetworkPolicy, as Kind says; nil means that it is gone.
	Object runtime.Object
}

// Gone says that nothing states the object any more.
func (c Change) Gone() bool { return c.Object == nil }

// Update is what changed since the last one. It is meant to be applied as a
// whole; see compareChanges for what its order is worth where it is not.
type Update struct {
	Changes  []Change
	Problems []Problem // all that there are now, sorted; not only the new ones
	Unread   bool      // some file was never free of problems: there are objects that nobody knows
	Skipped  int       // objects of kinds that are not kept, in all files
}

// compareChanges is the order of an Update: first what is there, as namespaces,
// nodes, policies, pods, then what is gone, the other way round; by name within
// a kind.
//
// Whoever stops half way through must have opened nothing. So a policy comes
// before the pods that it is to isolate (until they come it selects nobody), and
// a namespace before the policies and pods that are looked up by its labels. What
// goes away goes last, and pods before policies: a pod and its policy that are
// deleted together never leave the pod alone.
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

// gather makes Objects of an Update that holds everything.
func gather(u Update) Objects {
	all := Objects{Skipped: u.Skipped}
	for _, c := range u.Changes {
		switch o := c.Object.(type) {
		case *corev1.Namespace:
			all.Namespaces = append(all.Namespaces, o)
		case *corev1.Node:
			all.Nodes = append(all.Nodes, o)
		case *networkingv1.NetworkPolicy:
			all.Policies = append(all.Policies, o)
		case *corev1.Pod:
			all.Pods = append(all.Pods, o)
		default:
			all.Workloads = append(all.Workloads, newWorkload(c.Key, o))
		}
	}
	return all
}
