package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/ruleset"
)

const eventsText = `An event goes into the graph, the delta for the kernel comes out; nothing is sent. All of it happens in
namespaces that are the same in each cluster, so it touches as many selectors in each: as many sets change. Clusters are
those of controller/samplecluster with a tenth as many policies as pods and 250 pods on the node. Allocations are per event, in the
largest cluster. A selector that chooses by label from all namespaces looks at each of them when it comes into use: nothing
is promised for it.`

// runEvents measures the graph alone, in clusters of all sizes by turns; the smallest is there twice.
func runEvents(_ context.Context, s scale) (part, error) {
	p := part{text: eventsText, heads: []string{"event"}}
	for _, pods := range s.pods {
		p.heads = append(p.heads, count(pods)+" pods")
	}
	p.heads = append(p.heads, "largest / smallest", "A/A", "sets", "allocations", "bytes")
	p.chart = &chart{file: "events.svg", title: "What an event costs", x: "pods in the cluster"}
	var towns []town
	for _, pods := range append([]int{s.pods[0]}, s.pods...) {
		towns = append(towns, newTown(samplecluster.Sized(pods)))
	}
	for _, d := range deeds(towns[0].node) {
		took := byTurns(s.rounds, towns, d)
		for step, name := range d.steps {
			p.growth(growth{s.pods, name, took[step], towns[len(towns)-1].weigh(d, step), d.grows}, step == 0)
		}
	}
	return p, nil
}

// growth is what one event costs in clusters of several sizes.
type growth struct {
	pods []int
	name string
	took []samples // in the smallest, then by pods
	weight
	grows bool
}

// mostGrowth is what the largest cluster's may be over the smallest's.
const mostGrowth = 1.5

func (p *part) growth(g growth, drawn bool) {
	row, curve := []string{g.name}, line{name: g.name}
	for i, pods := range g.pods {
		median := g.took[i+1].median()
		row = append(row, short(median))
		curve.add(pods, int(median))
	}
	ratio, again := g.took[len(g.pods)].over(g.took[1]), g.took[0].over(g.took[1])
	p.row(append(row, times(ratio), times(again), fmt.Sprint(g.sets), count(g.allocations), count(g.bytes))...)
	if drawn {
		p.chart.lines = append(p.chart.lines, curve)
	}
	if !g.grows {
		what := fmt.Sprintf("%s: %s / %s pods", g.name, count(largest(g.pods)), count(g.pods[0]))
		p.targets = append(p.targets, ratioTarget(what, mostGrowth, ratio, again))
	}
}

// byTurns does a deed in one town after the other, many times: what each step took, by town.
func byTurns(rounds int, towns []town, d deed) [][]samples {
	took := make([][]samples, len(d.steps))
	for step := range took {
		took[step] = make([]samples, len(towns))
	}
	for round := range rounds {
		for i, t := range towns {
			for step, median := range t.round(d, round) {
				took[step][i] = append(took[step][i], median)
			}
		}
	}
	return took
}

// round does a deed some times and returns the median of each step.
func (t town) round(d deed, round int) samples {
	const repeats = 10
	took := make([]samples, len(d.steps))
	for i := range repeats {
		for step, e := range d.events(round*repeats + i) {
			one, _ := timed(func() error { t.do(e); return nil })
			took[step] = append(took[step], one)
		}
	}
	var medians samples
	for _, s := range took {
		medians = append(medians, s.median())
	}
	return medians
}

// weight is how many sets an event changes, and what it allocates.
type weight struct{ sets, allocations, bytes int }

// weigh looks at one step of a deed.
func (t town) weigh(d deed, step int) (w weight) {
	const repeats = 20
	var before, after runtime.MemStats
	for i := range repeats {
		for at, e := range d.events(i) {
			if at != step {
				t.do(e)
				continue
			}
			runtime.ReadMemStats(&before)
			delta := t.do(e)
			runtime.ReadMemStats(&after)
			w.sets = setsOf(delta)
			w.allocations += int(after.Mallocs - before.Mallocs)
			w.bytes += int(after.TotalAlloc - before.TotalAlloc)
		}
	}
	w.allocations, w.bytes = w.allocations/repeats, w.bytes/repeats
	return w
}

func setsOf(d ruleset.Delta) int {
	return len(d.AddSets) + len(d.DelSets) + len(d.AddMembers) + len(d.DelMembers)
}
