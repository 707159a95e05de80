package manifests

import (
	"cmp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Objects is what a set of files states, each kind sorted by namespace, then
// name. The zero value is an empty folder.
type Objects struct {
	Namespaces []*corev1.Namespace
	Pods       []*corev1.Pod
	Nodes      []*corev1.Node
	Policies   []*networkingv1.NetworkPolicy
	Skipped    int // objects of kinds that are not kept
}

// Kind is one of the four kinds that are kept. The zero value is none of them.
type Kind uint8

// The kinds, in the order in which an Update sets them.
const (
	Namespace Kind = iota + 1
	Node
	Policy
	Pod
)

// String is the kind as a manifest writes it.
func (k Kind) String() string {
	switch k {
	case Namespace:
		return "Namespace"
	case Node:
		return "Node"
	case Policy:
		return "NetworkPolicy"
	case Pod:
		return "Pod"
	default:
		return "unknown"
	}
}

// kindNamed is the inverse of Kind.String, in letters of any case; 0 for a kind
// that is not kept.
func kindNamed(name string) Kind {
	for k := Namespace; k <= Pod; k++ {
		if strings.EqualFold(k.String(), name) {
			return k
		}
	}
	return 0
}

// apiVersion is the only one under which the kind is kept.
func (k Kind) apiVersion() string {
	if k == Policy {
		return networkingv1.SchemeGroupVersion.String()
	}
	return corev1.SchemeGroupVersion.String()
}

// namespaced says whether objects of the kind live in a namespace.
func (k Kind) namespaced() bool { return k == Policy || k == Pod }

// object is what every kept API type is.
type object interface {
	runtime.Object
	metav1.Object
}

// blank is a new, empty object of the kind; nil for no kind.
func (k Kind) blank() object {
	switch k {
	case Namespace:
		return &corev1.Namespace{}
	case Node:
		return &corev1.Node{}
	case Policy:
		return &networkingv1.NetworkPolicy{}
	case Pod:
		return &corev1.Pod{}
	default:
		return nil
	}
}

// Key names one object. Namespace is empty for Namespaces and Nodes. Keys are
// comparable; the zero value names nothing.
type Key struct {
	Kind            Kind
	Namespace, Name string
}

// String is "Pod default/web" or "Node n1".
func (k Key) String() string {
	if k.Kind.namespaced() {
		return k.Kind.String() + " " + k.Namespace + "/" + k.Name
	}
	return k.Kind.String() + " " + k.Name
}

// compareNames orders keys of one kind.
func compareNames(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
