package samplecluster_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// change is events that come one after the other; after the last of them everything is as it was.
type change struct {
	steps  []string                // names of the events
	events func(int) []graph.Event // as many as there are steps, the i-th time
}

// changes lists what happens in the fixed namespaces.
func changes() []change {
	return []change{
		{[]string{"pod relabelled", "pod relabelled back"}, func(i int) []graph.Event {
			return []graph.Event{
				graph.PodSet{Pod: caller(i%callerCount, "other")},
				graph.PodSet{Pod: caller(i%callerCount, "caller")},
			}
		}},
		{[]string{"pod deleted", "pod created"}, func(i int) []graph.Event {
			p := caller(i%callerCount, "caller")
			return []graph.Event{graph.PodGone{Key: p.Key}, graph.PodSet{Pod: p}}
		}},
		{[]string{"local pod deleted", "local pod created"}, func(i int) []graph.Event {
			p := server(i % serverCount)
			return []graph.Event{graph.PodGone{Key: p.Key}, graph.PodSet{Pod: p}}
		}},
		{[]string{"namespace of 50 pods relabelled", "namespace relabelled back"}, relabelled},
		policyChange("its own namespace", allowing("new", peersOfApp("new"))),
		policyChange("another namespace",
			allowing("new", peers(namedNamespace(movedSpace), nil))),
		policyChange("all namespaces, by label",
			allowing("new", peers(nil, map[string]string{"app": "app-7"}))),
	}
}

// relabelled moves movedSpace to another zone and back.
func relabelled(int) (all []graph.Event) {
	for _, zone := range []string{"b", "a"} {
		ns := namespace(movedSpace, map[string]string{"zone": zone})
		all = append(all, graph.NamespaceSet{Namespace: ns})
	}
	return all
}

func policyChange(peers string, p *policy.Policy) change {
	return change{
		[]string{"policy created: peers in " + peers, "policy deleted: peers in " + peers},
		func(int) []graph.Event {
			return []graph.Event{graph.PolicySet{Policy: p}, graph.PolicyGone{Key: p.Key}}
		},
	}
}

// After a change everything is as before, whatever the size of the cluster, and each step touches
// the same number of sets in each: this is what makes clusters of different sizes comparable.
func TestChangesAreUndone(t *testing.T) {
	nodes := map[int]node{200: newNode(samplecluster.Sized(200)),
		1000: newNode(samplecluster.Sized(1000))}
	for _, c := range changes() {
		for step, name := range c.steps {
			few, many := nodes[200].cost(c, step).sets, nodes[1000].cost(c, step).sets
			if few != many || few == 0 {
				t.Errorf("%s: %d sets in a small cluster, %d in a larger one", name, few, many)
			}
		}
	}
	for pods, n := range nodes {
		before := newNode(samplecluster.Sized(pods)).graph.Program().String()
		if diff := cmp.Diff(before, n.graph.Program().String()); diff != "" {
			t.Errorf("%d pods: before -, after the changes +\n%s", pods, diff)
		}
	}
}

// An event goes into the graph, the delta for the kernel comes out. Time (the median), allocations
// and changed sets are those of the one event, without those that undo it.
func BenchmarkEvent(b *testing.B) {
	for _, pods := range sizes() {
		n := newNode(samplecluster.Sized(pods))
		for _, c := range changes() {
			for step, name := range c.steps {
				b.Run(fmt.Sprintf("pods=%d/%s", pods, name), func(b *testing.B) {
					n.benchmark(b, c, step)
				})
			}
		}
	}
}

func (n node) benchmark(b *testing.B, c change, step int) {
	b.ReportAllocs()
	var took samples
	for i := 0; b.Loop(); i++ {
		for at, e := range c.events(i) {
			one := timed(func() { n.apply(e) })
			if at == step {
				took = append(took, one)
			}
		}
	}
	took.report(b, "ns/op")
	cost := n.cost(c, step)
	b.ReportMetric(float64(cost.sets), "sets")
	b.ReportMetric(float64(cost.allocations), "allocs/op")
	b.ReportMetric(float64(cost.bytes), "B/op")
}

// cost is how many sets an event changes, and what it allocates.
type cost struct{ sets, allocations, bytes int }

// cost measures one step of a change.
func (n node) cost(c change, step int) (sum cost) {
	const repeats = 20
	var before, after runtime.MemStats
	for i := range repeats {
		for at, e := range c.events(i) {
			if at != step {
				n.apply(e)
				continue
			}
			runtime.ReadMemStats(&before)
			delta := n.apply(e)
			runtime.ReadMemStats(&after)
			sum.sets = changedSets(delta)
			sum.allocations += int(after.Mallocs - before.Mallocs)
			sum.bytes += int(after.TotalAlloc - before.TotalAlloc)
		}
	}
	return cost{sum.sets, sum.allocations / repeats, sum.bytes / repeats}
}

func changedSets(d ruleset.Delta) int {
	return len(d.AddSets) + len(d.DelSets) + len(d.AddMembers) + len(d.DelMembers)
}
