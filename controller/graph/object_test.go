package graph_test

import (
	"reflect"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

// Each kind of object has an event for its being there and one for its deletion, with the same key.
func TestEventsOfObjects(t *testing.T) {
	named := metav1.ObjectMeta{Namespace: "a", Name: "x"}
	key := policy.Key{Namespace: "a", Name: "x"}
	running := &corev1.Pod{ObjectMeta: named, Status: corev1.PodStatus{PodIP: "10.0.0.1"}}
	finished := running.DeepCopy()
	finished.Status.Phase = corev1.PodSucceeded
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "x"}}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "x"}}
	rules := &networkingv1.NetworkPolicy{ObjectMeta: named}
	pod, _ := policy.NewPod(running)
	for _, row := range []struct {
		object    any
		set, gone graph.Event
	}{
		{
			namespace,
			graph.NamespaceSet{Namespace: policy.NewNamespace(namespace)},
			graph.NamespaceGone{Name: "x"},
		},
		{node, graph.NodeSet{Node: policy.NewNode(node)}, graph.NodeGone{Name: "x"}},
		{rules, graph.PolicySet{Policy: policy.Parse(rules)}, graph.PolicyGone{Key: key}},
		{running, graph.PodSet{Pod: pod}, graph.PodGone{Key: key}},
		{finished, graph.PodGone{Key: key}, graph.PodGone{Key: key}},
		{&corev1.Service{ObjectMeta: named}, nil, nil},
	} {
		if got := graph.EventOf(row.object); !reflect.DeepEqual(got, row.set) {
			t.Errorf("%T is there: %#v, want %#v", row.object, got, row.set)
		}
		empty := reflect.New(reflect.TypeOf(row.object).Elem()).Interface()
		if got := graph.GoneOf(empty, key); !reflect.DeepEqual(got, row.gone) {
			t.Errorf("%T is gone: %#v, want %#v", row.object, got, row.gone)
		}
	}
}
