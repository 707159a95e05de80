package api

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/picket-project/picket/ruleset/pace"
)

// recoveryLimit is how long an agent may take to know all, once the API server answers again: five
// seconds on a usual machine. It is measured at that moment, beside all else that runs then.
func recoveryLimit() time.Duration { return pace.Measure().Limit(5 * time.Second) }

// The server has forgotten what happened while the agents were away (410 Gone): they list
// everything again, and notice also what has been deleted.
func TestChangesAreForgotten(t *testing.T) {
	w := newShopCluster(t)
	w.addPod("late", 0, 7)
	w.addPod("gone", 1, 7)
	w.label("gone", "near")
	w.apply(denyAll)
	w.apply(allow("near"))
	w.apply(allow("far"))
	w.reaches("far", "gone", "near")

	w.away()
	w.deletePolicies("allow-far")
	w.unregister("gone")
	w.label("near", "other")
	w.apply(allow("late"))
	// what it remembers goes with it, and by the compaction what it could remember again
	w.StopAPI()
	w.must(nil, w.Compact())
	w.must(nil, w.StartAPI())
	w.must(nil, w.Ready())
	w.reaches("far", "gone", "near")
	since := w.now()
	w.back()
	w.reachesWithin(recoveryLimit(), "late")
	w.listedAgain(since)
}

// listedAgain waits until the agents have listed everything since then: otherwise the server had
// not forgotten anything.
func (w *testCluster) listedAgain(since int64) {
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
				err = errors.Join(err, fmt.Errorf("%s were listed %d times by %d agents", resource,
					lists[resource], len(w.agents)))
			}
		}
		return err
	})
}
