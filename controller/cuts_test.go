package controller

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
)

// toPort is a UDP connection of a client to a port of the pod of wire.
func toPort(client netip.Addr, from, to uint16) ruleset.Connection {
	server := netip.MustParseAddr("10.244.1.5")
	return ruleset.Connection{
		From: netip.AddrPortFrom(client, from), To: netip.AddrPortFrom(server, to),
		Proto: ruleset.UDP,
	}
}

// client is another address for each number.
func client(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 245, byte(n >> 8), byte(n)}) }

// held is what of it is cut, and what is open still.
func (w *wire) size() (flows, clients, open int) {
	w.change(func() { flows, clients, open = len(w.held), len(w.named), len(w.open) })
	return flows, clients, open
}

// However many connections a change forbids, what is cut is bounded: all that one client opened to
// one port is one cut, of a client there are so many, and of all. The rest is taken out of
// conntrack.
func TestCutsAreBounded(t *testing.T) {
	for _, row := range []struct {
		name                 string
		open                 func(n int) ruleset.Connection
		flows, clients, left int
	}{
		{"from many ports", func(n int) ruleset.Connection {
			return toPort(client(1), uint16(n+1), 80)
		},
			1, 0, 50_000},
		{"to many ports", func(n int) ruleset.Connection {
			return toPort(client(1), 40000, uint16(n+1))
		},
			maxCutsOfClient, 1, maxCutsOfClient},
		{"of many clients", func(n int) ruleset.Connection { return toPort(client(n), 40000, 80) },
			maxCuts, maxCutClients, maxCuts},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWire()
			c, source := reviewing(t, w, &kernel{}, time.Hour)
			w.change(func() {
				for n := range 50_000 {
					w.open = append(w.open, row.open(n))
				}
			})
			source <- isolate
			eventually(t, "cut", func() bool {
				flows, clients, open := w.size()
				return flows == row.flows && clients == row.clients && open == row.left
			})
			full := row.clients == maxCutClients
			eventually(t, "said", func() bool {
				return strings.Contains(c.Health.Readiness().Warnings["connections cut"],
					"too many clients") == full
			})
			source <- free
			eventually(t, "lifted", func() bool { flows, _, _ := w.size(); return flows == 0 })
		})
	}
}

// What can't have become allowed is not reviewed again.
func TestOnlyCutsThatAreTouchedAreReviewed(t *testing.T) {
	w := newWire()
	c := withoutLoop(w)
	var flows []ruleset.Flow
	for n := range 1000 {
		flows = append(flows, toPort(client(n), 40000, 80).Flow())
	}
	c.review.cuts = newCuts(ruleset.Cuts{Flows: flows}, time.Now())
	for scope, want := range map[*ruleset.Scope]int{
		ptr(ruleset.ScopeOfAddrs(client(1), client(2), netip.MustParseAddr("10.244.9.9"))): 2,
		ptr(ruleset.ScopeOfAddrs(netip.MustParseAddr("10.244.1.5"))):                       1000,
		ptr(ruleset.Everything()): 1000, ptr(ruleset.Scope{}): 0,
	} {
		if got := len(c.review.cuts.flowsIn(*scope)); got != want {
			t.Errorf("%d flows, expected %d", got, want)
		}
	}
}

func ptr[T any](value T) *T { return &value }

// A flow with one port at both ends is ended where the other end may open it, and cut where it may
// not: here, or on the node of the other pod. A TCP connection is the business of who opened it.
func TestEitherEndIsReviewed(t *testing.T) {
	away := func(name string) graph.Event {
		p := pod(name, "10.244.2.1")
		p.Namespace, p.Node = "other", "n2"
		return graph.PodSet{Pod: p}
	}
	for _, row := range []struct {
		name   string
		proto  ruleset.Protocol
		port   uint16 // of the other end
		events []graph.Event
		want   ruleset.Fate
		cuts   int
	}{
		{"nobody forbids the other way", ruleset.UDP, 80, []graph.Event{away("out")}, ruleset.Ended,
			0},
		{"without ports", 47, 0, []graph.Event{away("out")}, ruleset.Ended, 0},
		{"the other node forbids it", ruleset.UDP, 80,
			[]graph.Event{away("out"), graph.PolicySet{Policy: deny("other", "deny")}}, ruleset.Cut,
			1},
		{"of TCP", ruleset.TCP, 80, []graph.Event{away("out")}, ruleset.Ended, 1},
		{"another port", ruleset.UDP, 40000, []graph.Event{away("out")}, ruleset.Cut, 1},
	} {
		c := withoutLoop(newWire(), row.events...)
		connection := toPort(netip.MustParseAddr("10.244.2.1"), row.port, row.port)
		if connection.Proto = row.proto; row.port == 40000 {
			connection = toPort(netip.MustParseAddr("10.244.2.1"), row.port, 80)
		}
		got, err := c.decideOpen(t.Context(), []ruleset.Connection{connection})
		if err != nil || !slices.Equal(got, []ruleset.Fate{row.want}) ||
			c.review.cuts.len() != row.cuts {
			t.Errorf("%s: %v, %d cuts, %v", row.name, got, c.review.cuts.len(), err)
		}
	}
}

// What waits for a policy of another node's pod is looked at when one changes.
func TestAPolicyElsewhereIsReasonToLook(t *testing.T) {
	w := newWire()
	_, source := reviewing(t, w, &kernel{}, time.Hour)
	out := pod("out", "10.244.2.1")
	out.Namespace, out.Node = "other", "n2"
	w.change(func() {
		w.open = []ruleset.Connection{toPort(netip.MustParseAddr("10.244.2.1"), 80, 80)}
	})
	elsewhere := deny("other", "deny")
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: out},
		graph.PolicySet{Policy: elsewhere}}}
	source <- isolate
	eventually(t, "cut", func() bool { flows, _, open := w.size(); return flows == 1 && open == 1 })
	source <- Mail{Events: []graph.Event{graph.PolicyGone{Key: elsewhere.Key}}}
	eventually(t, "ended", func() bool { _, _, open := w.size(); return open == 0 })
}

// A change of hands is looked at before the new rules begin, and the next pod is not taken for a
// client before it.
func TestHandOverComesBeforeTheRules(t *testing.T) {
	w, crowd := newWire(), ruleset.Client{Addr: netip.MustParseAddr("10.244.1.6"),
		Proto: ruleset.UDP}
	w.named[crowd] = true
	c, source := reviewing(t, w, &kernel{}, time.Hour)
	old, next := pod("old", "10.244.1.6"), pod("next", "10.244.1.6")
	old.Labels, next.Labels = map[string]string{"app": "old"}, map[string]string{"app": "next"}
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: old}}}
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	w.change(func() {
		w.open = []ruleset.Connection{{
			From: netip.MustParseAddrPort("10.244.2.1:40000"), To: netip.AddrPortFrom(old.Addrs[0],
				80), Proto: ruleset.UDP,
		}}
		w.slow = make(chan bool) // no look after a commit ends
	})
	handing := []graph.Event{graph.PodGone{Key: old.Key}, graph.PodSet{Pod: next}}
	source <- Mail{Events: append(handing, isolate.Events...)}
	eventually(t, "cut", func() bool {
		flows, clients, _ := w.size()
		return flows == 1 && clients == 0
	})
	close(w.slow)
	source <- free
	eventually(t, "lifted", func() bool { flows, _, _ := w.size(); return flows == 0 })
}

// BenchmarkRelift is a commit that touches one of 16,000 cuts.
func BenchmarkRelift(b *testing.B) {
	c := withoutLoop(newWire())
	var flows []ruleset.Flow
	for n := range maxCuts {
		flows = append(flows, toPort(client(n), 40000, 80).Flow())
	}
	c.review.cuts = newCuts(ruleset.Cuts{Flows: flows}, time.Now())
	delta := ruleset.Delta{AddMembers: []ruleset.Members{ruleset.Added(ruleset.SetID{},
		[]ruleset.Member{{Addr: client(1)}}, ruleset.ActionsOf(ruleset.Accept))}}
	for b.Loop() {
		if err := c.liftAllowed(b.Context(), delta); err != nil {
			b.Fatal(fmt.Errorf("liftAllowed: %w", err))
		}
	}
}
