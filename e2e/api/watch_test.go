package api

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// inTime is how long an agent may take to know all, once the API server can be reached again.
const inTime = 5 * time.Second

// However the way to the API server is cut, what changes meanwhile arrives soon after the last cut, and nothing is
// opened.
func TestWatchIsCut(t *testing.T) {
	t.Parallel()
	w := newShop(t)
	w.apply(denyAll)
	w.apply(allow("near"))
	w.reaches("near")
	forbidden := w.stream("far", "web")
	for _, c := range []struct {
		name    string
		every   time.Duration // 0: away all the time
		lasting time.Duration
		app     string // that near becomes
		reaches []string
	}{
		{"cut every second", time.Second, 5 * time.Second, "other", nil},
		{"cut all the time", 50 * time.Millisecond, 2 * time.Second, "near", []string{"near"}},
		{"away", 0, 3 * time.Second, "other", nil},
	} {
		last := w.disturb(c.every, c.lasting, func() { w.label("near", c.app) })
		w.reachesWithin(inTime, c.reaches...)
		t.Logf("%s: in force %s after the last cut", c.name, time.Since(last).Round(time.Millisecond))
	}
	w.leaked(forbidden)
}

// disturb keeps the agents from the server for a time, again and again or all of it, in the middle of which
// something changes. It returns when that is over.
func (w *world) disturb(every, lasting time.Duration, change func()) (last time.Time) {
	w.Helper()
	cut := w.cut
	if every == 0 {
		every, cut = lasting/2, w.away
	}
	changed := false
	for begin := time.Now(); time.Since(begin) < lasting; time.Sleep(every) {
		if cut(); !changed && time.Since(begin) >= lasting/2 {
			change()
			changed = true
			cut()
		}
	}
	w.back()
	w.cut()
	return time.Now()
}

// The server has forgotten what happened while the agents were away (410 Gone): they list everything again, and
// notice also what is not there any more.
func TestChangesAreForgotten(t *testing.T) {
	w := newShop(t)
	w.addPod("late", 0, 7)
	w.addPod("gone", 1, 7)
	w.label("gone", "near")
	w.apply(denyAll)
	w.apply(allow("near"))
	w.apply(allow("far"))
	w.reaches("far", "gone", "near")

	w.away()
	w.withdraw("allow-far")
	w.unregister("gone")
	w.label("near", "other")
	w.apply(allow("late"))
	w.stopAPI() // what it remembers goes with it, and by the compaction what it could remember again
	w.must(nil, w.compact())
	w.must(nil, w.startAPI())
	w.must(nil, w.ready())
	w.reaches("far", "gone", "near")
	since := w.now()
	w.back()
	w.reachesWithin(inTime, "late")
	w.listedAgain(since)
}

// listedAgain waits until the agents have listed everything since then: else the server had forgotten nothing.
func (w *world) listedAgain(since int64) {
	w.Helper()
	eventually(w.T, wait, func() error {
		entries, err := w.asked(w.shipped.user(), since)
		lists := map[string]int{}
		for _, e := range entries {
			if e.Verb == "list" && e.ResponseStatus.Code == http.StatusOK {
				lists[e.ObjectRef.Resource]++
			}
		}
		for _, resource := range watched {
			if lists[resource] < len(w.agents) {
				err = errors.Join(err, fmt.Errorf("%s were listed %d times by %d agents", resource, lists[resource], len(w.agents)))
			}
		}
		return err
	})
}
