package main

import (
	"context"
	"fmt"
	"time"

	"github.com/picket-project/picket/controller/samplecluster"
)

const endText = `Packets on a real kube-apiserver that holds the cluster: one pod of the node
sends datagrams to another, each from a new socket, one every %s (p50; p99 %s): finer than that
nothing can be told. The time is from before the call to the API server until the first datagram
that fares as it should from then on is sent. The whole machine is in it: API server, etcd, agent
and the pods share its cores.
An object of the API says to the second when it was changed, so the agent cannot tell how long the
API took: no metric of it would be honest. Here a watch of the benchmark's own on the same server
tells, when the event arrives (seen). The agent's part is the difference of its histogram
picket_enforcement_latency_seconds before and after all of it: from an event's arrival in the
agent to its commit in the kernel. A deleted policy stays in force until the API server has said
that its namespace does not end (CVE-2024-7598), and both calls are in its time, too.`

// runEnd measures changes by packets.
func runEnd(ctx context.Context, s scale) (p part, err error) {
	size := samplecluster.Sized(s.pods[len(s.pods)-2])
	err = withEndToEnd(ctx, size, 2, func(e *endToEnd) error { return p.changes(ctx, s, size, e) })
	return p, err
}

// changes makes all changes often, and adds what they took.
func (p *part) changes(ctx context.Context, s scale, size samplecluster.Size, e *endToEnd) error {
	const times, warm = 200, 10
	if err := e.run(ctx, min(warm, s.rounds)); err != nil {
		return err
	}
	e.forget()
	before, err := e.agent.histograms()
	if err != nil {
		return err
	}
	if err := e.run(ctx, min(times, 2*s.rounds)); err != nil {
		return err
	}
	after, err := e.agent.histograms()
	if err != nil {
		return err
	}
	p.text = fmt.Sprintf(endText, short(e.pauses.median()), short(e.pauses.at(0.99)))
	p.heads = []string{
		"change", "times", "p50", "fastest", "p90", "p99", "API call p50", "seen p50", "seen p99",
		"agent p50", "agent p99", "of it commit p50",
	}
	for _, c := range e.changes {
		p.row(c.row()...)
		p.targets = append(p.targets, c.targets(size)...)
	}
	p.histogram(after[latencyMetric].since(before[latencyMetric]))
	return nil
}

func (c *change) row() []string {
	return []string{
		c.name, fmt.Sprint(len(c.took)), short(c.took.median()), short(c.took.at(0)),
		short(c.took.at(0.9)), short(c.took.at(0.99)), short(c.called.median()),
		short(c.seen.median()), short(c.seen.at(0.99)), short(c.agent.median()),
		short(c.agent.at(0.99)), short(c.commit.median()),
	}
}

// targets are those of a change that comes with a promise.
func (c *change) targets(size samplecluster.Size) []target {
	if !c.promised {
		return nil
	}
	again := c.took.again()
	what := fmt.Sprintf("%s, %s policies, ", c.name, count(size.Policies))
	return []target{
		timeTarget(what+"p50", 10*time.Millisecond, c.took.median(), again),
		timeTarget(what+"p99", 50*time.Millisecond, c.took.at(0.99), again),
	}
}

// histogram adds what the agent says of all changes.
func (p *part) histogram(h histogram) {
	const name = "all of them, by the agent's histogram"
	p.row(name, fmt.Sprint(h.count), "≤ "+short(h.at(0.5)), "", "≤ "+short(h.at(0.9)),
		"≤ "+short(h.at(0.99)), "", "", "", "", "", "")
}
