package manifests

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// Objects is what a set of files states, each kind sorted by namespace, then name. The zero value
// is an empty folder.
type Objects struct {
	Namespaces []*corev1.Namespace
	Pods       []*corev1.Pod
	Nodes      []*corev1.Node
	Policies   []*networkingv1.NetworkPolicy
	Workloads  []Workload // read by Load alone, as what follows
	Services   []*corev1.Service
	Skipped    int       // objects of kinds that are not kept
	Foreign    []Problem // policies of other engines, each with its apiVersion as the error
	Empty      []Problem // folders and files that hold nothing

	places map[Key]Problem   // where each object stands, as a Problem without an error
	texts  map[string][]byte // the files that may hold policies, or have problems
	// namespace is that of objects that state none; empty: the default one.
	namespace string
}

// Problem returns a problem of an object, with the place where the object stands. A pod that stands
// for a workload has no place.
func (o Objects) Problem(k Key, err error) Problem {
	p := o.places[k]
	p.Object, p.Err = k.String(), err
	return p
}

// newObjects returns what an Update that holds everything states.
func newObjects(u Update) Objects {
	all := Objects{Skipped: u.Skipped}
	for _, c := range u.Changes {
		switch o := c.Object.(type) {
		case *corev1.Namespace:
			all.Namespaces = append(all.Namespaces, o)
		case *corev1.Node:
			all.Nodes = append(all.Nodes, o)
		case *networkingv1.NetworkPolicy:
			all.Policies = append(all.Policies, o)
		case *corev1.Service:
			all.Services = append(all.Services, o)
		case *corev1.Pod:
			all.Pods = append(all.Pods, o)
		default:
			all.Workloads = append(all.Workloads, newWorkload(c.Key, o))
		}
	}
	return all
}
