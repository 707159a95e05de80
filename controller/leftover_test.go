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

// What a pod has left open ends after it, so the next pod at its address waits for no pass over
// conntrack.
func TestWhatAPodLeftEnds(t *testing.T) {
	w := newWire("10.244.2.1")
	_, source := reviewing(t, w, time.Hour)
	source <- webGone
	eventually(t, "ended", func() bool { open, _ := w.openAndAsked(); return open == 0 })
	source <- isolate
	source <- nextAtWeb
	time.Sleep(2 * reviewDelay)
	if _, asked := w.openAndAsked(); len(asked) != 0 {
		t.Errorf("conntrack was asked about %v", asked)
	}
}

// An address that is used again before that is handed over, and what was open ends with the new
// pod's rules.
func TestAnAddressThatIsUsedAgainAtOnceIsHandedOver(t *testing.T) {
	w := newWire("10.244.2.1")
	_, source := reviewing(t, w, time.Hour)
	source <- isolate
	eventually(t, "cut", w.cut("10.244.2.1"))
	source <- webGone
	source <- nextAtWeb
	want := netip.MustParseAddr("10.244.1.5")
	eventually(t, "handed over", func() bool {
		_, asked := w.openAndAsked()
		return slices.Contains(asked, want)
	})
}

// Connections of an address that no pod had at the start may be of one that went before. They are
// left alone, since a pod may just be starting there, until a pod is known to have the address.
func TestStrangersAreHandedOver(t *testing.T) {
	w := newWire("10.244.2.1")
	w.open[0].To = netip.MustParseAddrPort("10.244.1.6:80")
	_, source := reviewing(t, w, time.Hour)
	source <- isolate
	time.Sleep(2 * reviewDelay)
	if open, asked := w.openAndAsked(); open != 1 || len(asked) != 0 {
		t.Fatalf("%d connections are open, conntrack was asked about %v", open, asked)
	}
	next := pod("next", "10.244.1.6")
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: next}}}
	eventually(t, "handed over", func() bool {
		_, asked := w.openAndAsked()
		return slices.Equal(asked, []netip.Addr{netip.MustParseAddr("10.244.1.6")})
	})
}

// A pod that is gone from the API only may still use what it has open.
func TestWhatADepartedPodHasOpenStays(t *testing.T) {
	w := newWire("10.244.2.1")
	c := withoutLoop(w)
	c.review.begun, c.review.looked = true, true
	c.graph.KeepDeparted()
	c.apply(graph.PodGone{Key: policy.Key{Namespace: "default", Name: "web"}})
	if a := netip.MustParseAddr("10.244.1.5"); !c.review.left.mayHave(a) || len(c.unused()) != 0 {
		t.Errorf("%v are unused, %+v", c.unused(), c.review.left)
	}
}
