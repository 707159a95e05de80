package policy

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// Objects is a cluster as its API objects state it.
type Objects struct {
	Namespaces []*corev1.Namespace
	Pods       []*corev1.Pod
	Nodes      []*corev1.Node
	Policies   []*networkingv1.NetworkPolicy
}

// Snapshot converts the objects, as seen from one node.
func (o Objects) Snapshot(node string) Snapshot {
	s := Snapshot{Node: node}
	for _, n := range o.Namespaces {
		s.Namespaces = append(s.Namespaces, NewNamespace(n))
	}
	for _, n := range o.Nodes {
		s.Nodes = append(s.Nodes, NewNode(n))
	}
	for _, p := range o.Pods {
		if pod, counts := NewPod(p); counts {
			s.Pods = append(s.Pods, pod)
		}
	}
	for _, p := range o.Policies {
		s.Policies = append(s.Policies, Parse(p))
	}
	return s
}
