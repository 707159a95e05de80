package controller

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset/policy"
)

// counter counts the Events that it is to write.
type counter struct{ events map[string]int }

func (c counter) Report(p []policy.Problem) { c.events[p[0].Policy.Namespace]++ }
func (c counter) Warn(string)               {}

// However many policies wait for a pod of this node, and however often its labels change, few are
// looked at for that, and those of another namespace are not behind them.
func TestDeferredEventsAreWrittenAFewAtATime(t *testing.T) {
	const count = 10_000
	written := counter{map[string]int{}}
	c := New(Config{Node: "n1", Firewall: &kernel{}, Reporter: written,
		Log: slog.New(slog.DiscardHandler)})
	take := func(e graph.Event) {
		c.apply(e)
		c.handleReports(e)
	}
	others, own := labelled("web", "n2", "10.244.2.5"), labelled("none", "n1", "10.244.1.5")
	others.Name = "others"
	for _, e := range threeNodes() {
		take(e)
	}
	for _, namespace := range []string{"default", "second"} {
		others.Namespace = namespace
		take(graph.PodSet{Pod: others})
	}
	bad := badAgain("bad", "web")
	for i := range count {
		one := *bad
		one.Key = policy.Key{Namespace: "default", Name: fmt.Sprint(i)}
		one.Problems = []policy.Problem{{Policy: one.Key, Error: bad.Problems[0].Error}}
		take(graph.PolicySet{Policy: &one})
	}
	c.source.synced = true
	second := badPolicy.DeepCopy()
	second.Namespace = "second"
	take(graph.PolicySet{Policy: policy.Parse(second)})
	c.graph.Changes()
	for range 20 { // patches of a label
		own.Labels = map[string]string{"app": "web", "now": time.Now().String()}
		for _, namespace := range []string{"default", "second"} {
			own.Namespace = namespace
			take(graph.PodSet{Pod: own})
		}
	}
	if len(written.events) > 0 {
		t.Errorf("events about pods led to %v Events at once", written.events)
	}
	// On a slow machine a look can be over after the first.
	looks := 0
	for ; looks < 2 && written.events["second"] == 0; looks++ {
		c.writeDeferredEvents()
	}
	if n := written.events["default"]; n == 0 || n > looks*deferredAtOnce || written.events["second"] != 1 {
		t.Errorf("%d looks led to %v Events", looks, written.events)
	}
	for range count {
		c.writeDeferredEvents()
	}
	if n := written.events["default"]; n != count || len(c.bad.deferred.in)+len(c.bad.deferred.queue) > 0 {
		t.Errorf("%d Events of %d are written, %d namespaces are left", n, count, len(c.bad.deferred.in))
	}
	// A pod whose labels stay as they are makes no work.
	take(graph.PolicySet{Policy: policy.Parse(second)})
	c.bad.deferred.put(policy.Key{Namespace: "default", Name: "last"})
	own.Namespace = "default"
	if take(graph.PodSet{Pod: own}); len(c.bad.deferred.queue) > 0 {
		t.Errorf("%v is due", c.bad.deferred.queue)
	}
}

// Nothing of a namespace stays when its last policy with problems is gone, whatever was due.
func TestDeferredEventsAreForgotten(t *testing.T) {
	d, key := newDeferredEvents(), policy.Key{Namespace: "shop", Name: "bad"}
	d.due("shop")
	d.put(key)
	if d.drop(key); len(d.in) > 0 {
		t.Errorf("%v", d.in)
	}
	d.put(key)
	d.due("shop")
	d.due("shop")
	d.drop(key)
	if _, is := d.take(); is || len(d.in)+len(d.queue) > 0 {
		t.Errorf("%v is due, of %v", d.queue, d.in)
	}
	d.drop(key)
}

// The loop comes to all of them.
func TestDeferredEventsAreAllWritten(t *testing.T) {
	const count = 2*deferredAtOnce + 10
	source, told := script(make(chan Mail)), reports(make(chan []policy.Problem, 2*count))
	start(t, Config{Source: source, Firewall: &kernel{}, Reporter: told})
	events := append(threeNodes(), graph.PodSet{Pod: labelled("web", "n2", "10.244.2.5")})
	for i := range count {
		events = append(events, graph.PolicySet{Policy: badAgain(fmt.Sprint("bad-", i), "web")})
	}
	source <- Mail{Events: events, Synced: true}
	own := labelled("web", "n1", "10.244.1.5")
	own.Name = "own"
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: own}}}
	eventually(t, "all are told", func() bool { return len(told) == count })
}
