package samplecluster_test

import (
	"slices"
	"testing"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// sizes are the numbers of pods of the clusters that the benchmarks compare; -short makes them
// small.
func sizes() []int {
	if testing.Short() {
		return []int{200, 400, 1000}
	}
	return []int{1000, 10_000, 100_000}
}

// objects returns the API objects of a cluster as the product's packages take them.
func objects(c samplecluster.Cluster) policy.Objects {
	return policy.Objects{
		Nodes: c.Nodes, Namespaces: c.Namespaces, Pods: c.Pods, Policies: c.Policies,
	}
}

// snapshot is what LocalNode sees of a cluster.
func snapshot(c samplecluster.Cluster) compile.Snapshot {
	return compile.SnapshotOf(objects(c), samplecluster.LocalNode)
}

// events lists the objects of a cluster as events, in the order of a source that starts.
func events(c samplecluster.Cluster) []graph.Event {
	all := eventsOf(c.Nodes)
	all = append(all, eventsOf(c.Namespaces)...)
	all = append(all, eventsOf(c.Pods)...)
	return append(all, eventsOf(c.Policies)...)
}

// eventsOf converts API objects of one kind.
func eventsOf[T any](objects []T) (all []graph.Event) {
	for _, o := range objects {
		all = append(all, graph.EventOf(o))
	}
	return all
}

// node is the graph of LocalNode.
type node struct{ graph *graph.Graph }

// newNode returns the graph of LocalNode in a cluster of a size that also has the fixed namespaces.
func newNode(size samplecluster.Size) node {
	n := node{graph.New(samplecluster.LocalNode, ruleset.Drop)}
	n.graph.AnyAddress()
	for _, e := range append(events(samplecluster.New(size, 1)), fixedEvents()...) {
		n.graph.Apply(e)
	}
	n.graph.Changes()
	return n
}

// apply applies one event and returns what must change in the kernel for it.
func (n node) apply(e graph.Event) ruleset.Delta {
	n.graph.Apply(e)
	return n.graph.Changes()
}

// timed returns how long a function takes.
func timed(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

// samples are the times that the same thing took.
type samples []time.Duration

// at returns the time below which that share of the samples is.
func (s samples) at(share float64) time.Duration {
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// report adds the median to what the benchmark prints.
func (s samples) report(b *testing.B, unit string) {
	b.ReportMetric(float64(s.at(0.5)), unit)
}
