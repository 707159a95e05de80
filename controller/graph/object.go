package graph

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset/policy"
)

// EventOf converts an object of the API, a pointer to one of the four types below, to the event
// that it is there as it is now. A pod that does not count, such as a finished one, is gone.
// The result is nil for an object of any other type.
func EventOf(object any) Event {
	switch o := object.(type) {
	case *corev1.Namespace:
		return NamespaceSet{Namespace: policy.NewNamespace(o)}
	case *corev1.Node:
		return NodeSet{Node: policy.NewNode(o)}
	case *networkingv1.NetworkPolicy:
		return PolicySet{Policy: policy.Parse(o)}
	case *corev1.Pod:
		if pod, counts := policy.NewPod(o); counts {
			return PodSet{Pod: pod}
		}
		return PodGone{Key: policy.Key{Namespace: o.Namespace, Name: o.Name}}
	default:
		return nil
	}
}

// GoneOf returns the event that the object with this key is deleted. Of kind only the type counts:
// it is any object of the kind, also an empty one. The result is nil where that of EventOf is.
func GoneOf(kind any, key policy.Key) Event {
	switch kind.(type) {
	case *corev1.Namespace:
		return NamespaceGone{Name: key.Name}
	case *corev1.Node:
		return NodeGone{Name: key.Name}
	case *networkingv1.NetworkPolicy:
		return PolicyGone{Key: key}
	case *corev1.Pod:
		return PodGone{Key: key}
	default:
		return nil
	}
}
