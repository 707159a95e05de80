package main

import (
	"context"
	"fmt"
	"time"

	"github.com/picket-project/picket/controller/samplecluster"
)

const syncText = `The controller starts with its informers' caches full and an empty kernel, and
is done when the kernel has committed its first ruleset: every object is converted, goes through
the mailbox into the graph, and the program for the node is compiled, compared and committed.
Listing from an API server comes before that and is not in it. CPU is what the process used
meanwhile, on all cores: it says more than the clock where others use the machine, too. The
figures are those of BenchmarkFirstSync, which runs in a process of its own some times; the A/A is
every other run over the rest.`

// runSync lets controllers start, each in a kernel of its own.
func runSync(ctx context.Context, s scale) (part, error) {
	const bound = 3 * time.Second
	p := part{text: syncText, heads: []string{
		"cluster", "starts", "median", "fastest", "CPU", "to the graph", "observed", "compiled",
		"committed", "A/A",
	}}
	all, err := s.benchmarks.byRounds(ctx,
		goBenchmark{samplePackage, "^BenchmarkFirstSync$", 2, s.short},
		min(s.rounds, 7), 2*s.limit)
	if err != nil {
		return p, err
	}
	for _, pods := range s.pods {
		name, size := fmt.Sprintf("FirstSync/pods=%d", pods), samplecluster.Sized(pods).String()
		took := all.times(name, "ns/op")
		row := []string{
			size, fmt.Sprint(all.iterations(name)), short(took.median()),
			short(all.times(name, "fastest-ns").at(0)),
		}
		for _, unit := range []string{"cpu-ns", "graph-ns", "observe-ns", "compile-ns",
			"commit-ns"} {
			row = append(row, short(all.times(name, unit).median()))
		}
		p.row(append(row, times(took.again()))...)
		if pods == largest(s.pods) {
			p.targets = []target{
				timeTarget(size+", caches full to committed", bound, took.median(), took.again()),
			}
		}
	}
	return p, nil
}
