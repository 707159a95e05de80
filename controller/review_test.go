package controller

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// wire is conntrack and the part of the kernel that cuts, over TCP port 80 of 10.244.1.5.
type wire struct {
	mu    sync.Mutex // guards the fields below
	open  []ruleset.Connection
	held  map[ruleset.Flow]bool
	named map[ruleset.Client]bool
	looks int
	asked []netip.Addr // what ReviewOf was called for
	slow  chan bool    // a look waits for it; nil: it does not
	fail  error        // of whatever is asked
}

func newWire(clients ...string) *wire {
	w := &wire{held: map[ruleset.Flow]bool{}, named: map[ruleset.Client]bool{}}
	for _, c := range clients {
		w.open = append(w.open, toWeb(c))
	}
	return w
}

// toWeb is a connection from a client.
func toWeb(client string) ruleset.Connection {
	return ruleset.Connection{From: netip.AddrPortFrom(netip.MustParseAddr(client), 40000),
		To: netip.MustParseAddrPort("10.244.1.5:80"), Proto: ruleset.TCP}
}

func (w *wire) Review(ctx context.Context, keep func(ruleset.Connection) bool,
	decide ruleset.DecideFates) error {
	w.mu.Lock()
	w.looks++
	slow := w.slow
	w.mu.Unlock()
	if slow != nil {
		select {
		case <-slow:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return w.review(keep, decide)
}

func (w *wire) ReviewOf(_ context.Context, end netip.Addr, decide ruleset.DecideFates) error {
	w.change(func() { w.asked = append(w.asked, end) })
	return w.review(func(c ruleset.Connection) bool {
		return c.From.Addr() == end || c.To.Addr() == end
	}, decide)
}

// review hands over 1,000 at a time.
func (w *wire) review(keep func(ruleset.Connection) bool, decide ruleset.DecideFates) error {
	w.mu.Lock()
	open, fail := w.open, w.fail
	w.mu.Unlock()
	if fail != nil {
		return fail
	}
	var stays []ruleset.Connection
	for some := range slices.Chunk(open, 1000) {
		kept := slices.DeleteFunc(slices.Clone(some), func(c ruleset.Connection) bool {
			return !keep(c)
		})
		all, err := decide(kept)
		if err != nil {
			return err
		}
		ended := map[ruleset.Connection]bool{}
		for i, f := range all {
			ended[kept[i]] = f == ruleset.Ended
		}
		stays = append(stays, slices.DeleteFunc(slices.Clone(some),
			func(c ruleset.Connection) bool {
				return ended[c]
			})...)
	}
	w.change(func() { w.open = stays })
	return nil
}

func (w *wire) Cuts(context.Context) (c ruleset.Cuts, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return ruleset.Cuts{Flows: slices.Collect(maps.Keys(w.held)),
		Clients: slices.Collect(maps.Keys(w.named))}, w.fail
}

func (w *wire) Cut(_ context.Context, c ruleset.CutChange) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range c.Add.Flows {
		w.held[f] = true
	}
	for _, client := range c.Add.Clients {
		w.named[client] = true
	}
	for _, f := range c.Lift.Flows {
		if !w.held[f] {
			return fmt.Errorf("%s is not cut", f)
		}
		delete(w.held, f)
	}
	for _, client := range c.Lift.Clients {
		delete(w.named, client)
	}
	if c.Last != (len(w.held)+len(w.named) == 0) {
		return errors.New("the last of all is not what was said")
	}
	return w.fail
}

// change is for the test to change it.
func (w *wire) change(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
}

// cut is whether just these clients are.
func (w *wire) cut(clients ...string) func() bool {
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.held) == len(clients) && !slices.ContainsFunc(clients, func(c string) bool {
			return !w.held[toWeb(c).Flow()]
		})
	}
}

// reviewing is a controller that knows of a pod that everybody may reach.
func reviewing(t *testing.T, w *wire, k *kernel, recheck time.Duration) (*Controller, script) {
	source := script(make(chan Mail))
	c := start(t, Config{Source: source, Firewall: k, Connections: w, Cutter: w, Recheck: recheck})
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("web", "10.244.1.5")}}, Synced: true}
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	eventually(t, "the first look", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.looks == 1
	})
	return c, source
}

// isolate and free are mails about the one policy.
var (
	isolate = Mail{Events: []graph.Event{graph.PolicySet{Policy: deny("default", "deny")}}}
	free    = Mail{Events: []graph.Event{graph.PolicyGone{Key: policy.Key{Namespace: "default",
		Name: "deny"}}}}
)

func TestWhatIsForbiddenIsCutAndLiftedAgain(t *testing.T) {
	w := newWire("10.244.2.1", "10.244.2.2")
	w.open = append(w.open, ruleset.Connection{ // the pod's own
		From: netip.MustParseAddrPort("10.244.1.5:40000"),
		To:   netip.MustParseAddrPort("10.244.2.1:80"), Proto: ruleset.TCP})
	_, source := reviewing(t, w, &kernel{}, time.Hour)
	for range 3 {
		source <- isolate
		eventually(t, "cut", w.cut("10.244.2.1", "10.244.2.2"))
		source <- free
		eventually(t, "lifted", w.cut())
	}
}

// So it is where the kernel carries the change out and the answer gets lost.
func TestAnAnswerThatWasLostCutsAndLifts(t *testing.T) {
	w, k := newWire("10.244.2.1", "10.244.2.2"), &kernel{}
	_, source := reviewing(t, w, k, time.Hour)
	for range 2 {
		k.lose()
		source <- isolate
		eventually(t, "cut", w.cut("10.244.2.1", "10.244.2.2"))
		k.lose()
		source <- free
		eventually(t, "lifted", w.cut())
	}
}

// What only allows more, or concerns none of the node's pods, is no reason to look at conntrack.
func TestNoLookWithoutNeed(t *testing.T) {
	w := newWire("10.244.2.1")
	_, source := reviewing(t, w, &kernel{}, time.Hour)
	elsewhere := pod("far", "10.244.2.9")
	elsewhere.Node = "n2"
	for range 3 {
		source <- Mail{Events: []graph.Event{graph.PodSet{Pod: elsewhere},
			graph.PodSet{Pod: pod("free", "10.244.1.6")}}}
		source <- free
		time.Sleep(2 * reviewDelay)
	}
	if w.change(func() {}); w.looks != 1 {
		t.Errorf("%d looks", w.looks)
	}
}

// However many changes come while a look is under way, they share the next one.
func TestABurstSharesALook(t *testing.T) {
	w := newWire("10.244.2.1")
	_, source := reviewing(t, w, &kernel{}, time.Hour)
	w.change(func() { w.slow = make(chan bool) })
	source <- isolate
	eventually(t, "a look", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.looks == 2 })
	for i := range 20 {
		source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod(fmt.Sprint("late", i),
			fmt.Sprintf("10.244.1.%d", 100+i))}}}
	}
	close(w.slow)
	eventually(t, "another look", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.looks == 3
	})
	eventually(t, "cut", w.cut("10.244.2.1"))
	time.Sleep(2 * reviewDelay)
	if w.change(func() {}); w.looks != 3 {
		t.Errorf("%d looks", w.looks)
	}
}

// The loop goes on while conntrack is slow.
func TestALookHoldsNothingUp(t *testing.T) {
	w := newWire()
	w.slow = make(chan bool)
	k, source := &kernel{}, script(make(chan Mail))
	start(t, Config{Source: source, Firewall: k, Connections: w, Cutter: w})
	source <- Mail{Events: cluster(), Synced: true}
	eventually(t, "a look", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.looks == 1 })
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("late", "10.244.1.6")}}}
	eventually(t, "the next event arrives", func() bool {
		return strings.Contains(k.program(), "10.244.1.6")
	})
	w.slow <- true
}

// What came in while somebody else's rules were in force does not wait for the rest between looks.
func TestARepairIsLookedAtWithoutARest(t *testing.T) {
	for _, repaired := range []bool{false, true} {
		c := withoutLoop(newWire())
		c.review.begun, c.review.scope, c.source.whole = true, ruleset.Scope{}, true
		c.review.looking, c.kernel.repaired = true, repaired
		c.scheduleReview(t.Context(), ruleset.Delta{Frame: true})
		c.finishReview(t.Context(), look{took: time.Second})
		pause := time.Until(c.review.at)
		if rests := pause > 2*reviewDelay; rests == repaired || c.review.scope.Empty() {
			t.Errorf("repaired %t: the next look begins in %v", repaired, pause)
		}
	}
}

// A look that fails is a warning, not a reason to be not ready, and is made up for.
func TestAFailedReviewIsSaidAndMadeUpFor(t *testing.T) {
	w := newWire("10.244.2.1")
	c, source := reviewing(t, w, &kernel{}, time.Hour)
	w.change(func() { w.fail = errors.New("no conntrack") })
	source <- isolate
	eventually(t, "a warning", func() bool {
		r := c.Health.Readiness()
		return r.Ready && strings.Contains(r.Warnings["connections open"], "no conntrack")
	})
	w.change(func() { w.fail = nil })
	eventually(t, "cut", w.cut("10.244.2.1"))
	eventually(t, "no warning", func() bool { return len(c.Health.Readiness().Warnings) == 0 })
}

// A new process finds what the one before has cut; a recheck finds what somebody took away.
func TestCutsOfOthers(t *testing.T) {
	w := newWire("10.244.2.1", "10.244.2.2")
	w.held[toWeb("10.244.2.3").Flow()] = true // allowed by now, and conntrack has forgotten it
	_, source := reviewing(t, w, &kernel{}, 20*time.Millisecond)
	eventually(t, "lifted", w.cut())
	source <- isolate
	eventually(t, "cut", w.cut("10.244.2.1", "10.244.2.2"))
	w.change(func() { clear(w.held) })
	eventually(t, "cut again", w.cut("10.244.2.1", "10.244.2.2"))
}

// What somebody else takes out of what is cut is cut again once it is noticed, as is what goes with a
// table, also where the answer gets lost that it was made anew.
func TestCutsThatAreGoneAreMadeAnew(t *testing.T) {
	for name, lost := range map[string]bool{"taken out": false, "with the table": true} {
		t.Run(name, func(t *testing.T) {
			w, k := newWire("10.244.2.1", "10.244.2.2"), &kernel{}
			c, source := reviewing(t, w, k, time.Hour)
			source <- isolate
			eventually(t, "cut", w.cut("10.244.2.1", "10.244.2.2"))
			if lost {
				k.mu.Lock()
				k.memory = ruleset.Memory{}
				k.mu.Unlock()
				k.lose()
			}
			w.change(func() { clear(w.held) })
			c.touch()
			eventually(t, "cut again", w.cut("10.244.2.1", "10.244.2.2"))
		})
	}
}

// A table that may have been made anew, though the commit failed, may have lost the cuts: they are read
// anew after the next one.
func TestCutsAreDoubtedAfterALostTable(t *testing.T) {
	for name, c := range map[string]struct {
		failed ruleset.Delta
		kept   bool
	}{
		"the frame": {ruleset.Delta{Frame: true}, false}, "the table": {ruleset.Delta{Clear: true}, false},
		"members": {ruleset.Delta{}, true},
	} {
		loop := withoutLoop(newWire())
		loop.review.begun, loop.source.whole = true, true
		loop.review.cuts = newCuts(ruleset.Cuts{Flows: []ruleset.Flow{toWeb("10.244.2.1").Flow()}},
			time.Now())
		loop.reviewLater(c.failed)
		loop.review.unlifted = false // else all are compared
		loop.scheduleReview(t.Context(), ruleset.Delta{})
		if kept := loop.review.cuts != nil; kept != c.kept {
			t.Errorf("%s: the cuts are kept: %t", name, kept)
		}
	}
}

// A connection whose cut did not reach the kernel does not end: its server would take it up again, and
// that is allowed.
func TestNothingEndsWithoutItsCut(t *testing.T) {
	w := newWire("10.244.2.1")
	c := withoutLoop(w)
	c.kernel.bypassed, c.review.cuts = true, newCuts(ruleset.Cuts{}, time.Now())
	if list, err := c.decideOpen(t.Context(), w.open); err != nil || !slices.Equal(list,
		[]ruleset.Fate{ruleset.Ended}) {
		t.Fatalf("%v, %v", list, err)
	}
	w.fail = errors.New("no memory")
	c.review.cuts = newCuts(ruleset.Cuts{}, time.Now())
	if list, err := c.decideOpen(t.Context(), w.open); err == nil || len(list) > 0 {
		t.Errorf("without the cut: %v, %v", list, err)
	}
}

// withoutLoop is a controller over a wire that knows a cluster, without its loop.
func withoutLoop(w *wire, events ...graph.Event) *Controller {
	c := New(Config{Node: "n1", Firewall: &kernel{}, Connections: w, Cutter: w})
	for _, e := range append(cluster(), events...) {
		c.graph.Apply(e)
	}
	return c
}

// A cut goes once conntrack has not had its connection for long, of TCP much later: a client can
// make conntrack believe that it is over.
func TestCutsAreForgotten(t *testing.T) {
	w := newWire()
	c, now := withoutLoop(w), time.Now()
	tcp, udp := toWeb("10.244.2.1").Flow(), toWeb("10.244.2.2").Flow()
	udp.Proto = ruleset.UDP
	kept := udp
	kept.Port = 81
	c.review.cuts = newCuts(ruleset.Cuts{Flows: []ruleset.Flow{tcp, udp, kept}},
		now.Add(-2*keepOther))
	for f := range c.review.cuts.flows {
		w.held[f] = true
	}
	l := look{seen: map[ruleset.Flow]bool{kept: true}}
	if err := c.updateCuts(t.Context(), l); err != nil || len(w.held) != 3 {
		t.Fatalf("without having asked conntrack for them: %v, %v", w.held, err)
	}
	c.review.cuts.flows[kept], l.whole = now.Add(-2*keepOther), true
	if err := c.updateCuts(t.Context(), l); err != nil || len(w.held) != 2 || w.held[udp] {
		t.Fatalf("of UDP: %v, %v", w.held, err)
	}
	c.review.cuts.flows[tcp] = now.Add(-2 * keepTCP)
	if err := c.updateCuts(t.Context(), l); err != nil || len(w.held) != 1 || !w.held[kept] {
		t.Fatalf("of TCP: %v, %v", w.held, err)
	}
}

// There is room for other clients as soon as those that were listed are forgotten, also the last of
// all that was cut.
func TestForgottenClientsMakeRoom(t *testing.T) {
	w := newWire()
	c := withoutLoop(w)
	for n := range maxCutClients {
		w.named[ruleset.Client{Addr: client(n), Proto: ruleset.TCP}] = true
	}
	held, _ := w.Cuts(t.Context())
	c.review.cuts, c.review.full = newCuts(held, time.Now().Add(-2*keepTCP)), true
	c.warnFull()
	c.finishReview(t.Context(), look{whole: true})
	if _, warned := c.Health.Readiness().Warnings["connections cut"]; warned || len(w.named) > 0 {
		t.Errorf("warned: %t, with %d clients", warned, len(w.named))
	}
}

// What an earlier process has cut is counted from the start.
func TestCutsOfAnEarlierProcessAreCounted(t *testing.T) {
	w := newWire()
	c := withoutLoop(w)
	for n := range 3 {
		w.named[ruleset.Client{Addr: client(n), Proto: ruleset.TCP}] = true
	}
	if err := c.loadCuts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := get(c, "/metrics"); !strings.Contains(got, "\npicket_connections_cut 3\n") {
		t.Error("3 are cut, and are not counted")
	}
}
