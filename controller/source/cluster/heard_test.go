package cluster

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/watch"
)

// Each event breaks a silence, a bookmark too; an open watch that says nothing does not.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Source{}
		fake := watch.NewFake()
		ctx, stop := context.WithCancel(t.Context())
		w := newOrderedWatch(ctx, fake, 0, func() { s.heard.note("pods") })
		if got := s.Silence(); len(got) != 0 {
			t.Errorf("%v before anything was said", got)
		}
		for _, say := range []func(){
			func() { fake.Add(&corev1.Pod{}) },
			func() { fake.Action(watch.Bookmark, &corev1.Pod{}) },
		} {
			time.Sleep(time.Minute)
			say()
			<-w.ResultChan()
			if got := s.Silence()["pods"]; got != 0 {
				t.Errorf("%s after an event", got)
			}
			time.Sleep(4 * time.Minute)
			if got := s.Silence()["pods"]; got != 4*time.Minute {
				t.Errorf("%s after four minutes", got)
			}
		}
		stop()
		w.Stop()
	})
}
