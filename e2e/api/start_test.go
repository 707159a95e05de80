package api

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/picket-project/picket/e2e/listing"
)

// An agent that starts in the place of another while a fault lasts leaves in the kernel what is
// there, and is not ready until it knows all, and says why.
func TestStartsDuringAFault(t *testing.T) {
	t.Parallel()
	wrong := refuse(http.StatusInternalServerError, metav1.StatusReasonInternalError)
	for _, row := range []struct {
		fault
		reason string // why an agent is not ready meanwhile; "": it is
	}{
		{fault{"away", 3 * time.Second, away}, "connection refused"},
		{fault{"all answers are 500", 3 * time.Second, answers(wrong)}, "on purpose"},
		{fault{"empty LISTs", 3 * time.Second, answers(forVerb("list", firstAnswer(emptyList)))},
			""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newShopCluster(t)
			w.prepare()
			forbidden, permitted := w.stream("far", "web"), w.stream("steady", "web")
			began := w.now()
			w.startsDuring(row.fault, row.reason)
			w.reachesWithin(recoveryLimit(), "gone", "steady")
			w.endUninterrupted(permitted)
			w.endForbidden(forbidden)
			w.asksForNow(began)
		})
	}
}

// startsDuring replaces all agents while a fault lasts. After a while one of their pods changes.
func (w *testCluster) startsDuring(f fault, reason string) {
	w.Helper()
	held := w.stableListings()
	for _, a := range w.agents {
		stop(a.cmd)
	}
	end := w.beginFault(f)
	sleep(w.Context(), 300*time.Millisecond) // the fault comes first
	for _, a := range w.agents {
		a.met.Store(0)
		w.must(nil, a.start())
	}
	sleep(w.Context(), f.lasting)
	for i, a := range w.agents {
		a.waitState(reason == "", reason)
		if reason == "" && a.met.Load() == 0 {
			w.Errorf("%s: %s never met it", f.name, a.node)
		}
		if now, err := w.listing(a.node); err != nil || now != held[i] {
			w.Errorf("%s: the rules of %s have changed: %v\n%s", f.name, a.node, err,
				listing.Difference(held[i], now))
		}
	}
	w.label("near", "other")
	end()
}

// asksForNow fails if an agent asked for a list of any age, which may be from before isolation.
func (w *testCluster) asksForNow(since int64) {
	w.Helper()
	entries, err := w.asked(w.shipped.user(), since)
	w.must(nil, err)
	for _, e := range entries {
		if e.Verb == "list" && strings.Contains(e.RequestURI+"&", "resourceVersion=0&") {
			w.Fatalf("an agent asked for a list of any age: %s", e.RequestURI)
		}
	}
}

// An event that comes twice changes nothing: there is one transaction for one change. It runs alone,
// because the nodes of other tests are changes for its agents, too.
func TestADuplicateChangesNothing(t *testing.T) {
	w := newShopCluster(t)
	w.apply(denyAll)
	w.apply(allow("near"))
	w.reaches("near")
	w.beginFault(fault{begin: answers(forVerb("watch", deliver(repeatAll)))})
	web := w.agents[0]
	for _, app := range []string{"near", "far", "near"} {
		before, met := web.metric(committed), web.met.Load()
		w.label("far", app)
		if app == "near" {
			w.reaches("far", "near")
		} else {
			w.reaches("near")
		}
		eventually(t, wait, func() error {
			if web.met.Load() == met {
				return errors.New("nothing was said twice")
			}
			return nil
		})
		sleep(t.Context(), 200*time.Millisecond) // for the transaction that must not come
		if n := web.metric(committed) - before; n != 1 {
			t.Errorf("%.0f transactions for one change", n)
		}
	}
}

// While the API server is away, an agent does next to nothing.
func TestAnOutageCostsLittle(t *testing.T) {
	t.Parallel()
	w := newShopCluster(t)
	w.prepare()
	w.away()
	defer w.back()
	const window, most = 3 * time.Second, 0.01 // of a core
	sleep(t.Context(), window)
	err := poll(10*window, func() error { // the machine has other things to do
		before := w.busy()
		sleep(t.Context(), window)
		share := float64(w.busy()-before) / float64(window) / float64(len(w.agents))
		t.Logf("an agent takes %.2f%% of a core", 100*share)
		if share >= most {
			return fmt.Errorf("an agent takes %.2f%% of a core", 100*share)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
