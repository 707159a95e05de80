package cluster

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// pageServer has three pages of one pod each. It forgets the state that they show some times.
type pageServer struct{ forgets, asked int }

func (s *pageServer) ask(_ context.Context, o metav1.ListOptions) (*corev1.PodList, error) {
	s.asked++
	if o.Limit == 0 {
		return podList(3, metav1.ListMeta{ResourceVersion: "9"}), nil
	}
	var at int
	_, _ = fmt.Sscan(o.Continue, &at)
	if at == 2 && s.forgets > 0 {
		s.forgets--
		return nil, apierrors.NewResourceExpired("the continue parameter is too old")
	}
	next := map[int]string{0: "1", 1: "2"}[at]
	return podList(1, metav1.ListMeta{ResourceVersion: "5", Continue: next}), nil
}

func podList(pods int, meta metav1.ListMeta) *corev1.PodList {
	return &corev1.PodList{ListMeta: meta, Items: make([]corev1.Pod, pods)}
}

// All pages make one list. If the server forgets its state meanwhile, the list begins anew.
func TestPagesAreOneList(t *testing.T) {
	for _, row := range []struct {
		forgets, asked int
		version        string
	}{{0, 3, "5"}, {1, 6, "5"}, {2, 7, "9"}} {
		s := &pageServer{forgets: row.forgets}
		all, err := listAll(t.Context(), s.ask, newConverter().convert)
		if err != nil {
			t.Fatal(err)
		}
		if len(all.Items) != 3 || all.ResourceVersion != row.version || s.asked != row.asked {
			t.Errorf("%+v: asked %d times, got %d items of version %s",
				row, s.asked, len(all.Items), all.ResourceVersion)
		}
	}
}
