package cluster

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/picket-project/picket/ruleset/policy"
)

// A pod of this node gets an Event with its identity; another one, or one that is gone, gets none.
func TestAnEventAboutDeniedPackets(t *testing.T) {
	objects := fake.NewClientset()
	s, _ := idle(t, objects)
	pods := s.stores[2]
	pod := func(name, node string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name,
			UID: "uid-of-x", ResourceVersion: "1"}, Spec: corev1.PodSpec{NodeName: node},
			Status: corev1.PodStatus{PodIP: "10.0.0.1"}}
	}
	for _, p := range []*corev1.Pod{pod("here", "n1"), pod("there", "n2"), pod("gone", "n1")} {
		if err := pods.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	pods.gone(policy.Key{Namespace: "shop", Name: "gone"})
	for _, name := range []string{"here", "there", "gone"} {
		key := policy.Key{Namespace: "shop", Name: name}
		if err := s.ReportDenied(t.Context(), key, strings.Repeat("long ", 1000)); err != nil {
			t.Fatal(err)
		}
	}
	list, err := objects.CoreV1().Events("").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(list.Items) != 1 {
		t.Fatalf("%v, %v", list, err)
	}
	e := list.Items[0]
	if e.Namespace != "shop" || e.InvolvedObject.Name != "here" || e.InvolvedObject.UID != "uid-of-x" ||
		e.InvolvedObject.Kind != "Pod" || e.Reason != "PacketsDenied" || len(e.Message) > maxMessage {
		t.Errorf("%+v", e)
	}
}

// A source that does not run yet writes nothing.
func TestNoEventBeforeTheStart(t *testing.T) {
	if err := (&Source{}).ReportDenied(t.Context(), policy.Key{}, "text"); err != nil {
		t.Error(err)
	}
}
