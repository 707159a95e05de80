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

// newRecordedStore returns a store that reads nothing, and a record of what it passes on.
func newRecordedStore() (*store, *[]string) {
	s, record := newStore(nil, &corev1.Pod{}, newConverter()), &[]string{}
	add := func(what string) { *record = append(*record, what) }
	s.changed = func(o *object) { add("set " + o.key.Name + "@" + o.revision.version) }
	s.gone = func(key policy.Key) { add("gone " + key.Name) }
	return s, record
}

// versioned returns a pod that counts, whose content depends on its version.
func versioned(name, version string) *corev1.Pod {
	started, _ := strconv.ParseInt(version, 10, 64)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, ResourceVersion: version, CreationTimestamp: metav1.Unix(started, 0),
		},
		Status: corev1.PodStatus{PodIP: "10.0.0.1"},
	}
}

// finished makes a pod one that does not count any more.
func finished(p *corev1.Pod) *corev1.Pod {
	p.Status.Phase = corev1.PodSucceeded
	return p
}

// unchanged gives a pod a new version, with the same content.
func unchanged(p *corev1.Pod, version string) *corev1.Pod {
	p.ResourceVersion, p.Annotations = version, map[string]string{"not": "needed"}
	return p
}

// A store passes on only what differs from before, also after another list.
func TestAStorePassesChangesOn(t *testing.T) {
	s, record := newRecordedStore()
	for _, row := range []struct {
		done error
		want []string
	}{
		{s.Replace([]any{versioned("a", "1"), versioned("b", "2")}, "2"),
			[]string{"set a@1", "set b@2"}},
		{s.Add(versioned("c", "3")), []string{"set c@3"}},
		{s.Add(versioned("c", "3")), nil},
		{s.Update(versioned("a", "4")), []string{"set a@4"}},
		{s.Update(versioned("a", "4")), nil},
		{s.Delete(versioned("b", "5")), []string{"gone b"}},
		{s.Delete(versioned("b", "5")), nil},
		{s.Replace([]any{versioned("a", "4"), versioned("d", "6")}, "6"),
			[]string{"set d@6", "gone c"}},
		{s.Update(unchanged(versioned("d", "6"), "7")), nil},
		{s.Update(finished(versioned("d", "8"))), []string{"gone d"}},
		{s.Delete(finished(versioned("d", "9"))), nil},
	} {
		if row.done != nil {
			t.Error(row.done)
		}
		have := *record
		if len(have) < len(row.want) || !slices.Equal(have[:len(row.want)], row.want) {
			t.Fatalf("passed on %q, want %q next", have, row.want)
		}
		*record = have[len(row.want):]
	}
	if len(*record) != 0 {
		t.Errorf("passed on too much: %q", *record)
	}
	if !s.has(policy.Key{Name: "a"}) || s.has(policy.Key{Name: "d"}) {
		t.Error("a is there, d is not")
	}
}

// A server that has lost its history is asked for a new list soon, however often that was before.
// No watch begins here: a reflector that watches would stop the clock of the synctest bubble.
func TestAStoreListsAgainSoon(t *testing.T) {
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
		go newPodStore(s).run(ctx)
		time.Sleep(time.Hour)
		synctest.Wait()
		if lists := s.lists.Load(); longest > 2*relistDelay ||
			lists > int32(time.Hour/relistDelay) {
			t.Errorf("%d lists, up to %s apart", lists, longest)
		}
	})
}
