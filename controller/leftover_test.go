package controller

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

var (
	webGone = Mail{Events: []graph.Event{graph.PodGone{Key: policy.Key{Namespace: "default",
		Name: "web"}}}}
	nextAtWeb = Mail{Events: []graph.Event{graph.PodSet{Pod: pod("next", "10.244.1.5")}}}
)

// openAndAsked returns how many connections are open, and what ReviewOf was called for.
func (w *wire) openAndAsked() (open int, asked []netip.Addr) {
	w.change(func() { open, asked = len(w.open), slices.Clone(w.asked) })
	return open, asked
}

// thisNode is the node of tests with its pod range.
var thisNode = graph.NodeSet{Node: policy.Node{Name: "n1",
	CIDRs: []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24")}}}

// strict is a controller that denies unknown pods of 10.244.1.0/24, with the pod web there, that
// has looked at what was open.
func strict(t *testing.T, w *wire) script {
	source := script(make(chan Mail))
	start(t, Config{Source: source, Firewall: &kernel{}, Connections: w, Cutter: w,
		Recheck: time.Hour, DenyUnknown: true})
	source <- Mail{Events: []graph.Event{thisNode,
		graph.PodSet{Pod: pod("web", "10.244.1.5")}}, Synced: true}
	eventually(t, "the first look", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.looks == 1
	})
	time.Sleep(2 * reviewDelay) // until its end has arrived
	return source
}

// What a pod has left open ends after it, so the next pod at its address waits for no pass over
// conntrack.
func TestWhatAPodLeftEnds(t *testing.T) {
	w := newWire("10.244.2.1")
	source := strict(t, w)
	source <- webGone
	eventually(t, "ended", func() bool { open, _ := w.openAndAsked(); return open == 0 })
	time.Sleep(2 * reviewDelay)
	source <- isolate
	source <- nextAtWeb
	time.Sleep(2 * reviewDelay)
	if _, asked := w.openAndAsked(); len(asked) != 0 {
		t.Errorf("conntrack was asked about %v", asked)
	}
}

// Without the denial of unknown pods, a pod that nobody knows yet may have opened it.
func TestWhatAPodLeftStaysWhereUnknownPodsMaySend(t *testing.T) {
	w := newWire("10.244.2.1")
	_, source := reviewing(t, w, &kernel{}, time.Hour)
	source <- Mail{Events: []graph.Event{thisNode}}
	source <- webGone
	time.Sleep(leftoverDelay + 4*reviewDelay)
	source <- isolate
	source <- nextAtWeb
	want := netip.MustParseAddr("10.244.1.5")
	eventually(t, "handed over", func() bool {
		_, asked := w.openAndAsked()
		return slices.Contains(asked, want)
	})
}

// An address that is used again before that is handed over, whichever is known first: that the pod
// is gone, or the next one.
func TestAnAddressThatIsUsedAgainAtOnceIsHandedOver(t *testing.T) {
	want := netip.MustParseAddr("10.244.1.5")
	for _, mails := range [][]Mail{{webGone, nextAtWeb}, {nextAtWeb}, {nextAtWeb, webGone}} {
		w := newWire("10.244.2.1")
		source := strict(t, w)
		source <- isolate
		eventually(t, "cut", w.cut("10.244.2.1"))
		for _, m := range mails {
			source <- m
		}
		eventually(t, "handed over", func() bool {
			_, asked := w.openAndAsked()
			return slices.Contains(asked, want)
		})
	}
}

// What nobody can have opened by now ends with the first look: it is of pods that went before.
func TestWhatEarlierPodsLeftEndsAtTheStart(t *testing.T) {
	w := newWire("10.244.2.1", "10.244.2.2")
	w.open[0].To = netip.MustParseAddrPort("10.244.1.6:80")
	strict(t, w)
	if open, _ := w.openAndAsked(); open != 1 {
		t.Errorf("%d connections are open", open)
	}
}

// A look knows nothing of a pod that came and went while it was under way.
func TestALookEndsOnlyWhatWasLeftBeforeIt(t *testing.T) {
	w := newWire()
	c := withoutLoop(w, thisNode)
	c.DenyUnknown, c.review.begun, c.review.looked = true, true, true
	a := netip.MustParseAddr("10.244.1.5")
	gone := graph.PodGone{Key: policy.Key{Namespace: "default", Name: "web"}}
	c.apply(gone)
	l := look{left: c.unused()}
	c.apply(graph.PodSet{Pod: pod("web", "10.244.1.5")})
	c.apply(gone)
	if c.leftoversEnded(l); !c.mayInherit(a) || len(l.left) != 1 {
		t.Errorf("what the second pod left is forgotten: %+v", c.review.left)
	}
	if c.leftoversEnded(look{left: c.unused()}); c.mayInherit(a) {
		t.Errorf("what has ended is not: %+v", c.review.left)
	}
}

// A pod that is gone from the API only may still use what it has open.
func TestWhatADepartedPodHasOpenStays(t *testing.T) {
	w := newWire("10.244.2.1")
	c := withoutLoop(w, thisNode)
	c.DenyUnknown, c.review.begun, c.review.looked = true, true, true
	c.graph.KeepDeparted()
	c.apply(graph.PodGone{Key: policy.Key{Namespace: "default", Name: "web"}})
	if !c.mayInherit(netip.MustParseAddr("10.244.1.5")) || len(c.unused()) != 0 ||
		c.isLeft(toWeb("10.244.2.1")) {
		t.Errorf("%v are unused, %+v", c.unused(), c.review.left)
	}
}

// However often something is forbidden, the look begins in time.
func TestALookIsNotPutOff(t *testing.T) {
	r := newReview()
	for range 20 {
		r.schedule(reviewDelay)
		select {
		case <-r.due.C:
			return
		case <-time.After(reviewDelay / 5):
		}
	}
	t.Error("the look is put off for ever")
}
