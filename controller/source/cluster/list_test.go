package cluster

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// shelf is a server that has three pages of one pod each, of the moment of the first one; it forgets that moment some
// times.
type shelf struct{ forgets, asked int }

func (s *shelf) ask(_ context.Context, o metav1.ListOptions) (*corev1.PodList, error) {
	s.asked++
	if o.Limit == 0 {
		return &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "9"}, Items: make([]corev1.Pod, 3)}, nil
	}
	var at int
	_, _ = fmt.Sscan(o.Continue, &at)
	if at == 2 && s.forgets > 0 {
		s.forgets--
		return nil, apierrors.NewResourceExpired("the continue parameter is too old")
	}
	next := map[int]string{0: "1", 1: "2"}[at]
	return &corev1.PodList{ListMeta: metav1.ListMeta{ResourceVersion: "5", Continue: next}, Items: make([]corev1.Pod, 1)}, nil
}

// All pages are one list; where the server forgets it meanwhile, there is another one.
func TestPagesAreOneList(t *testing.T) {
	for _, row := range []struct {
		forgets, asked int
		version        string
	}{{0, 3, "5"}, {1, 6, "5"}, {2, 7, "9"}} {
		s := &shelf{forgets: row.forgets}
		all, err := list(t.Context(), s.ask, newDigest().read)
		if err != nil || len(all.Items) != 3 || all.ResourceVersion != row.version || s.asked != row.asked {
			t.Errorf("%+v: asked %d times, got %d items, version %s, %v", row, s.asked, len(all.Items), all.ResourceVersion, err)
		}
	}
}

// What is equal is there once, and its text on the way to it does not count.
func TestEqualPodsShare(t *testing.T) {
	d := newDigest()
	read := func(name string, ports ...corev1.ContainerPort) *news {
		p := versioned(name, "1")
		p.Labels = map[string]string{"app": "web", "tier": "front"}
		p.Spec.Containers = []corev1.Container{{Ports: ports}}
		n, err := d.read(p)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	http := corev1.ContainerPort{Name: "http", ContainerPort: 80}
	same, again, other := read("a", http), read("a", http), read("a")
	if same.content != again.content || same.content == other.content || same.content == read("b", http).content {
		t.Error("content does not tell what is equal")
	}
	if len(d.labels.have) != 1 || len(d.ports.have) != 2 {
		t.Errorf("%d kinds of labels, %d of ports", len(d.labels.have), len(d.ports.have))
	}
}
