package controller

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
)

// hearing returns a mirror of nothing, and what its handler hears.
func hearing() (*mirror, *[]string) {
	m, heard := newMirror(nil, &corev1.Pod{}), &[]string{}
	hear := func(what string, o any) {
		p := o.(*corev1.Pod)
		*heard = append(*heard, fmt.Sprintf("%s %s@%s", what, p.Name, p.ResourceVersion))
	}
	m.handler = cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { hear("new", o) },
		UpdateFunc: func(_, o any) { hear("now", o) },
		DeleteFunc: func(o any) { hear("gone", o) },
	}
	return m, heard
}

func versioned(name, version string) *corev1.Pod {
	return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version, Annotations: map[string]string{"not": "needed"}}}
}

// What is told twice, or listed again, is no news.
func TestAMirrorTellsWhatChanges(t *testing.T) {
	m, heard := hearing()
	for _, row := range []struct {
		done error
		want []string
	}{
		{m.Replace([]any{versioned("a", "1"), versioned("b", "2")}, "2"), []string{"new a@1", "new b@2"}},
		{m.Add(versioned("c", "3")), []string{"new c@3"}},
		{m.Add(versioned("c", "3")), nil},
		{m.Update(versioned("a", "4")), []string{"now a@4"}},
		{m.Update(versioned("a", "4")), nil},
		{m.Delete(versioned("b", "5")), []string{"gone b@2"}},
		{m.Delete(versioned("b", "5")), nil},
		{m.Replace([]any{versioned("a", "4"), versioned("d", "6")}, "6"), []string{"new d@6", "gone c@3"}},
	} {
		if row.done != nil {
			t.Error(row.done)
		}
		have := *heard
		if len(have) < len(row.want) || !slices.Equal(have[:len(row.want)], row.want) {
			t.Fatalf("heard %q, want %q next", have, row.want)
		}
		*heard = have[len(row.want):]
	}
	if len(*heard) != 0 {
		t.Errorf("heard too much: %q", *heard)
	}
	if kept, _, _ := m.GetByKey("a"); kept.(*corev1.Pod).Annotations != nil {
		t.Error("more is kept than is needed")
	}
}

// A server that has forgotten what happened, again and again, is asked for all of it each time: soon, however often that
// was before. The watch is never let begin: a reflector that watches stops the clock of the bubble.
func TestAMirrorListsAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		s := &source{items: func(int32) int { return 1 }}
		calls, last, longest := 0, time.Now(), time.Duration(0)
		s.answer = func() error {
			longest = max(longest, time.Since(last))
			last = time.Now()
			if calls++; calls%2 == 0 {
				return apierrors.NewResourceExpired("too old") // to a watch
			}
			return nil
		}
		go newMirror(persistent("pods", s, func(error) {}), &corev1.Pod{}).run(ctx)
		time.Sleep(time.Hour)
		synctest.Wait()
		if lists := s.lists.Load(); longest > 2*again || lists > int32(time.Hour/again) {
			t.Errorf("%d lists, up to %s apart", lists, longest)
		}
	})
}
