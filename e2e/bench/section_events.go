package main

import (
	"context"
	"fmt"
)

const eventsText = `An event goes into the graph, the delta for the kernel comes out; nothing is
sent. All of it happens in namespaces that are the same in each cluster, so it touches as many
selectors in each: as many sets change. Clusters are those of controller/samplecluster with a
tenth as many policies as pods and 250 pods on the node. Allocations are per event, in the largest
cluster. A selector that chooses by label from all namespaces looks at each of them when it comes
into use: nothing is promised for it. The figures are those of BenchmarkEvent, which runs in a
process of its own some times, all clusters in each; the A/A is every other run of the smallest
cluster over the rest.`

// unpromised is the event that touches more in a larger cluster.
const unpromised = "policy created: peers in all namespaces, by label"

// runEvents measures the graph alone, in clusters of all sizes.
func runEvents(ctx context.Context, s scale) (part, error) {
	p := part{text: eventsText, heads: []string{"event"}}
	for _, pods := range s.pods {
		p.heads = append(p.heads, count(pods)+" pods")
	}
	p.heads = append(p.heads, "largest / smallest", "A/A", "sets", "allocations", "bytes")
	p.chart = &chart{
		file: "events.svg", title: "What an event costs", x: "pods in the cluster",
	}
	all, err := s.benchmarks.byRounds(ctx,
		goBenchmark{samplePackage, "^BenchmarkEvent$", 100, s.short},
		min(s.rounds, 10), s.limit)
	if err != nil {
		return p, err
	}
	for i, event := range namesBelow(all, fmt.Sprintf("Event/pods=%d/", s.pods[0])) {
		p.event(s.pods, event, all, i%2 == 0)
	}
	return p, nil
}

// mostGrowth is what the largest cluster's time may be over the smallest's.
const mostGrowth = 1.5

// event adds the row of one event. Events come in pairs, the second of which undoes the first; the
// first one of each pair is drawn.
func (p *part) event(sizes []int, event string, all *goFigures, drawn bool) {
	name := func(pods int) string { return fmt.Sprintf("Event/pods=%d/%s", pods, event) }
	row, curve := []string{event}, line{name: event}
	for _, pods := range sizes {
		median := all.times(name(pods), "ns/op").median()
		row = append(row, short(median))
		curve.add(pods, int(median))
	}
	few, many := all.times(name(sizes[0]), "ns/op"), name(largest(sizes))
	ratio := all.times(many, "ns/op").over(few)
	p.row(append(row, times(ratio), times(few.again()), fmt.Sprint(all.last(many, "sets")),
		count(all.last(many, "allocs/op")), count(all.last(many, "B/op")))...)
	if drawn {
		p.chart.lines = append(p.chart.lines, curve)
	}
	if event != unpromised {
		what := fmt.Sprintf("%s: %s / %s pods", event, count(largest(sizes)), count(sizes[0]))
		p.targets = append(p.targets, ratioTarget(what, mostGrowth, ratio, few.again()))
	}
}
