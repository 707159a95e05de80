package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"

	"github.com/picket-project/picket/controller"
	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

const syncText = `The controller starts with its informers' caches full and an empty kernel, and is done when the kernel has
committed its first ruleset: every object is converted, goes through the mailbox into the graph, and the program for the
node is compiled, compared and committed. Another loop over the same is the A/A. Listing from an API server comes before
that and is not in it. CPU is what the process used meanwhile, on all cores: it says more than the clock where others
use the machine, too.`

// runSync lets controllers start, each in a kernel of its own.
func runSync(ctx context.Context, s scale) (part, error) {
	const bound = 3 * time.Second
	p := part{text: syncText, heads: []string{"cluster", "starts", "median", "fastest", "CPU", "to the graph", "observed", "compiled", "committed", "A/A"}}
	for _, pods := range s.pods {
		size := samplecluster.Sized(pods)
		w := samplecluster.New(size, 1)
		var phases []phases
		var cpu samples
		one := func() (samples, error) {
			runtime.GC() // what an earlier one has left is not this one's to collect
			before := used()
			begun, err := start(ctx, w)
			phases, cpu = append(phases, begun), append(cpu, used()-before)
			return samples{begun.total()}, err
		}
		all, err := alternate(min(s.rounds, 7), s.limit, []turn{one, one})
		if err != nil {
			return p, err
		}
		again := all[1].over(all[0])
		row := []string{size.String(), fmt.Sprint(len(all[0])), short(all[0].median()), short(all[0].at(0)), short(cpu.median())}
		for i := range phases[0] {
			row = append(row, short(phaseOf(phases, i).median()))
		}
		p.row(append(row, times(again))...)
		if pods == largest(s.pods) {
			p.targets = []target{timeTarget(size.String()+", caches full to committed", bound, all[0].median(), again)}
		}
	}
	return p, nil
}

// phases of a start: to the graph, observed, compiled and compared, committed.
type phases [4]time.Duration

func (p phases) total() (sum time.Duration) {
	for _, d := range p {
		sum += d
	}
	return sum
}

func phaseOf(list []phases, i int) (s samples) {
	for _, p := range list {
		s = append(s, p[i])
	}
	return s
}

// start runs a controller until its first commit.
func start(ctx context.Context, w samplecluster.World) (phases, error) {
	kernel, err := openPicket()
	if err != nil {
		return phases{}, err
	}
	defer kernel.close()
	ctx, stop := context.WithCancel(ctx)
	f := &firstCommit{Backend: kernel.backend, done: stop, last: time.Now()}
	c := controller.New(controller.Config{
		Node: w.Node, Source: caches{w.Objects}, Firewall: f, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err := c.Run(ctx); err != nil {
		return phases{}, err
	}
	return f.phases, f.failed
}

// firstCommit takes the times of a controller's first round.
type firstCommit struct {
	*nft.Backend
	phases phases
	last   time.Time
	failed error
	done   func()
}

func (f *firstCommit) lap(phase int) {
	now := time.Now()
	f.phases[phase] += now.Sub(f.last)
	f.last = now
}

// Observe ends the first phase and the second.
func (f *firstCommit) Observe(ctx context.Context) (ruleset.Observed, error) {
	f.lap(0)
	have, err := f.Backend.Observe(ctx)
	f.lap(1)
	return have, err
}

// Apply ends the third phase and the last, and with it the controller.
func (f *firstCommit) Apply(ctx context.Context, d ruleset.Delta) error {
	f.lap(2)
	f.failed = f.Backend.Apply(ctx, d)
	f.lap(3)
	f.done()
	return f.failed
}

// caches is a source that has everything at hand, as informers that have synced; each object is converted and
// delivered by itself, as they do.
type caches struct{ policy.Objects }

// Run delivers all there is.
func (c caches) Run(ctx context.Context, deliver func(source.Mail)) error {
	deliverAll(c.Nodes, deliver)
	deliverAll(c.Namespaces, deliver)
	deliverAll(c.Policies, deliver)
	deliverAll(c.Pods, deliver)
	deliver(source.Mail{Synced: true})
	<-ctx.Done()
	return nil
}

// deliverAll delivers objects of one kind, each in a mail of its own.
func deliverAll[T any](objects []T, deliver func(source.Mail)) {
	for _, o := range objects {
		deliver(source.Mail{Events: []graph.Event{graph.EventOf(o)}})
	}
}
