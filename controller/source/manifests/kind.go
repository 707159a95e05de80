package manifests

import (
	"cmp"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Kind is one of the kinds of objects that are kept. The zero value is none of them.
type Kind uint8

// The kinds, in the order in which an Update holds them. Those after Pod are read by Load alone:
// in a cluster the pods of workloads are objects of their own, and no policy speaks of Services.
const (
	Namespace Kind = iota + 1
	Node
	Policy
	Pod
	Deployment
	StatefulSet
	DaemonSet
	ReplicaSet
	Job
	CronJob
	ReplicationController
	Service
)

// kinds says of each kind how a manifest writes it and what its objects are in Go.
var kinds = [...]struct {
	name       string
	apiVersion string // the only one under which the kind is kept
	namespaced bool
	empty      func() Object
}{
	{name: "unknown", empty: func() Object { return nil }},
	{"Namespace", "v1", false, func() Object { return &corev1.Namespace{} }},
	{"Node", "v1", false, func() Object { return &corev1.Node{} }},
	{"NetworkPolicy", "networking.k8s.io/v1", true, func() Object {
		return &networkingv1.NetworkPolicy{}
	}},
	{"Pod", "v1", true, func() Object { return &corev1.Pod{} }},
	{"Deployment", "apps/v1", true, func() Object { return &appsv1.Deployment{} }},
	{"StatefulSet", "apps/v1", true, func() Object { return &appsv1.StatefulSet{} }},
	{"DaemonSet", "apps/v1", true, func() Object { return &appsv1.DaemonSet{} }},
	{"ReplicaSet", "apps/v1", true, func() Object { return &appsv1.ReplicaSet{} }},
	{"Job", "batch/v1", true, func() Object { return &batchv1.Job{} }},
	{"CronJob", "batch/v1", true, func() Object { return &batchv1.CronJob{} }},
	{"ReplicationController", "v1", true, func() Object {
		return &corev1.ReplicationController{}
	}},
	{"Service", "v1", true, func() Object { return &corev1.Service{} }},
}

// String returns the kind as a manifest writes it.
func (k Kind) String() string { return kinds[k].name }

// kindNamed is the inverse of Kind.String, in letters of any case. It returns 0 for a kind that
// is not kept.
func kindNamed(name string) Kind {
	for k := Namespace; k <= Service; k++ {
		if strings.EqualFold(k.String(), name) {
			return k
		}
	}
	return 0
}

// apiVersion returns the only one under which the kind is kept.
func (k Kind) apiVersion() string { return kinds[k].apiVersion }

// namespaced reports whether objects of the kind live in a namespace.
func (k Kind) namespaced() bool { return kinds[k].namespaced }

// isExtra reports whether objects of the kind are read by Load alone.
func (k Kind) isExtra() bool { return k > Pod }

// Object is what the API types of all kinds are.
type Object interface {
	runtime.Object
	metav1.Object
}

// New returns an empty object of the kind; nil for no kind.
func (k Kind) New() Object { return kinds[k].empty() }

// Key names one object. Namespace is empty for Namespaces and Nodes. Keys are
// comparable; the zero value names nothing.
type Key struct {
	Kind            Kind
	Namespace, Name string
}

// String returns, for example, "Pod default/web" or "Node n1".
func (k Key) String() string {
	if k.Kind.namespaced() {
		return k.Kind.String() + " " + k.Namespace + "/" + k.Name
	}
	return k.Kind.String() + " " + k.Name
}

// compareNames orders keys of one kind by namespace, then name.
func compareNames(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
