package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/picket-project/picket/controller/samplecluster"
)

const memoryText = `The shipped binary with its shipped flags, in a network namespace of its own,
against a real kube-apiserver with etcd that holds the cluster; the largest one against a
stand-in, which answers lists as an API server does, page by page in protobuf, and keeps watches
open. Pods weigh two to three kilobytes each, as real ones of few containers. RSS (VmRSS) is that
of the end of a quiet time of two minutes; some 25 MB of it are the program itself, which all
processes of one image share. In that time CPU (by the kernel's scheduler; one collection of
garbage is in it) and LIST requests are counted. The peak (VmHWM) is that of the start, when
everything is listed. Received and sent is all that goes over the node's wire until the agent is
quiet; the real server compresses its answers. Each row is two agents, one after the other: the
larger of the two, and the A/A of their RSS.`

// runMemory looks at agents in clusters of all sizes.
func runMemory(ctx context.Context, s scale) (part, error) {
	p := part{text: memoryText, heads: []string{"cluster", "API server", "ready after", "RSS",
		"of it private", "peak", "idle CPU", "LISTs meanwhile", "received", "sent", "A/A"}}
	resident, private, peak := line{name: "RSS"}, line{name: "of it private"},
		line{name: "peak, at the start"}
	for i, pods := range s.pods {
		size, open, name := samplecluster.Sized(pods), newRealCluster, "real"
		if i == len(s.pods)-1 {
			open, name = newStandInCluster, "stand-in"
		}
		cluster, err := open(ctx, size)
		if err != nil {
			return p, fmt.Errorf("%v: %w", size, err)
		}
		f, again, err := cluster.twoAgents(ctx, s.idle)
		if err != nil {
			return p, fmt.Errorf("%v: %w", size, err)
		}
		p.row(size.String(), name, short(f.ready), megabytes(f.resident), megabytes(f.private),
			megabytes(f.peak),
			share(f.idle), fmt.Sprint(f.lists), megabytes(f.received), megabytes(f.sent),
			times(again))
		p.footprint(size, f, again)
		resident.add(pods, f.resident)
		private.add(pods, f.private)
		peak.add(pods, f.peak)
	}
	p.chart = &chart{file: "memory.svg", title: "Memory over pods", x: "pods in the cluster",
		y: megabytes, lines: []line{resident, private, peak}}
	return p, nil
}

// most is what the agent may have resident in a cluster of that many pods, in bytes.
var most = map[int]int{1000: 40e6, 100_000: 150e6}

const collected = "more than half of it is Go's collector of garbage, which looks through the " +
	"whole heap every two minutes, also where nothing was allocated."

// footprint adds the targets.
func (p *part) footprint(size samplecluster.Size, f footprint, again float64) {
	if bound, promised := most[size.Pods]; promised {
		p.targets = append(p.targets, target{
			what: "RSS, " + size.String(), bound: "≤ " + megabytes(bound),
			figure: megabytes(f.resident), again: again, met: f.resident <= bound,
		})
	}
	const idle = 0.001
	p.targets = append(p.targets,
		target{what: "idle CPU of a core, " + size.String(), bound: "< " + share(idle),
			figure: share(f.idle), again: again, met: f.idle < idle}.because(collected),
		target{what: "LISTs in steady state, " + size.String(), bound: "0",
			figure: fmt.Sprint(f.lists), again: again, met: f.lists == 0})
}

// megabytes prints bytes with three digits at most.
func megabytes(bytes int) string {
	if bytes >= 1e9 {
		return fmt.Sprintf("%.3g GB", float64(bytes)/1e9)
	}
	return fmt.Sprintf("%.3g MB", float64(bytes)/1e6)
}

func share(of1 float64) string { return fmt.Sprintf("%.3f %%", 100*of1) }

// footprint is what an agent takes of the machine and of the API server.
type footprint struct {
	ready time.Duration
	memory
	idle  float64 // of a core
	lists int     // while nothing happened
	wire          // until then
}

// twoAgents looks at one after the other, and returns the larger one and the ratio of the second to
// the first.
func (s *testCluster) twoAgents(
	ctx context.Context, looked time.Duration,
) (larger footprint, again float64, err error) {
	defer func() { _ = s.end() }()
	one, err := s.watchAgent(ctx, looked)
	if err != nil {
		return one, 0, err
	}
	other, err := s.watchAgent(ctx, looked)
	again = float64(other.resident) / float64(one.resident)
	if other.resident > one.resident {
		one, other = other, one
	}
	one.idle, one.lists, one.peak = max(one.idle, other.idle), max(one.lists, other.lists),
		max(one.peak, other.peak)
	return one, again, err
}

// quiet is how long it takes at most from readiness until an agent has nothing more to do.
const quiet = 5 * time.Second

// watchAgent lets an agent start, waits until it is quiet, and looks at it.
func (s *testCluster) watchAgent(ctx context.Context, looked time.Duration) (f footprint,
	err error) {
	a, err := s.startQuietly(ctx, &f)
	if err != nil {
		return f, err
	}
	defer func() { _ = a.cleanup() }()
	before, err := s.count(ctx, a)
	if err != nil {
		return f, err
	}
	if err := pause(ctx, looked); err != nil {
		return f, err
	}
	after, err := s.count(ctx, a)
	if err != nil {
		return f, err
	}
	f.idle, f.lists = float64(after.used-before.used)/float64(looked), after.lists-before.lists
	f.memory, err = a.memory()
	return f, err
}

// startQuietly waits until an agent that starts has nothing more to do, and says what that took.
func (s *testCluster) startQuietly(ctx context.Context, f *footprint) (*agent, error) {
	before, err := s.traffic()
	if err != nil {
		return nil, err
	}
	a, took, err := s.startAgent()
	if err != nil {
		return nil, err
	}
	f.ready = took
	err = pause(ctx, quiet)
	after, trafficErr := s.traffic()
	f.wire = wire{after.received - before.received, after.sent - before.sent}
	if err := errors.Join(err, trafficErr); err != nil {
		return nil, errors.Join(err, a.cleanup())
	}
	return a, nil
}

// tally is what only grows.
type tally struct {
	used  time.Duration
	lists int
}

func (s *testCluster) count(ctx context.Context, a *agent) (t tally, err error) {
	if t.lists, err = s.lists(ctx); err == nil {
		t.used, err = a.used()
	}
	return t, err
}
