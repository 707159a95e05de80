package cluster

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/ruleset/policy"
)

// hearing returns a mirror of nothing, and what it tells.
func hearing() (*mirror, *[]string) {
	m, heard := newMirror(nil, &corev1.Pod{}, newDigest()), &[]string{}
	hear := func(what string) { *heard = append(*heard, what) }
	m.tell = func(n *news) { hear("set " + n.key.Name + "@" + n.revision) }
	m.gone = func(key policy.Key) { hear("gone " + key.Name) }
	return m, heard
}

// versioned is a pod that counts; its start depends on its version.
func versioned(name, version string) *corev1.Pod {
	started, _ := strconv.ParseInt(version, 10, 64)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: version, CreationTimestamp: metav1.Unix(started, 0)},
		Status:     corev1.PodStatus{PodIP: "10.0.0.1"},
	}
}

// finished is one that counts no more; unchanged is one with a new version that says the same.
func finished(p *corev1.Pod) *corev1.Pod {
	p.Status.Phase = corev1.PodSucceeded
	return p
}

func unchanged(p *corev1.Pod, version string) *corev1.Pod {
	p.ResourceVersion, p.Annotations = version, map[string]string{"not": "needed"}
	return p
}

// What is told twice, or listed again, is no news.
func TestAMirrorTellsWhatChanges(t *testing.T) {
	m, heard := hearing()
	for _, row := range []struct {
		done error
		want []string
	}{
		{m.Replace([]any{versioned("a", "1"), versioned("b", "2")}, "2"), []string{"set a@1", "set b@2"}},
		{m.Add(versioned("c", "3")), []string{"set c@3"}},
		{m.Add(versioned("c", "3")), nil},
		{m.Update(versioned("a", "4")), []string{"set a@4"}},
		{m.Update(versioned("a", "4")), nil},
		{m.Delete(versioned("b", "5")), []string{"gone b"}},
		{m.Delete(versioned("b", "5")), nil},
		{m.Replace([]any{versioned("a", "4"), versioned("d", "6")}, "6"), []string{"set d@6", "gone c"}},
		{m.Update(unchanged(versioned("d", "6"), "7")), nil},
		{m.Update(finished(versioned("d", "8"))), []string{"gone d"}},
		{m.Delete(finished(versioned("d", "9"))), nil},
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
	if !m.knows(policy.Key{Name: "a"}) || m.knows(policy.Key{Name: "d"}) {
		t.Error("a is there, d is not")
	}
}

// A server that has forgotten what happened, again and again, is asked for all of it each time: soon, however often that
// was before. The watch is never let begin: a reflector that watches stops the clock of the bubble.
func TestAMirrorListsAgainSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		s := &server{items: func(int32) int { return 1 }}
		calls, last, longest := 0, time.Now(), time.Duration(0)
		s.answer = func() error {
			longest = max(longest, time.Since(last))
			last = time.Now()
			if calls++; calls%2 == 0 {
				return apierrors.NewResourceExpired("too old") // to a watch
			}
			return nil
		}
		go newTestMirror(s).run(ctx)
		time.Sleep(time.Hour)
		synctest.Wait()
		if lists := s.lists.Load(); longest > 2*again || lists > int32(time.Hour/again) {
			t.Errorf("%d lists, up to %s apart", lists, longest)
		}
	})
}
