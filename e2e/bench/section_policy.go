package main

import (
	"context"
	"fmt"
	"time"
)

const policyText = `A policy is created on a node whose kernel holds everything: it is parsed,
goes into the graph, the delta is made and committed. Then it is deleted again. One of them
chooses all 250 local pods, which are then in one namespace and nothing else is said of them.
Chains and members are what the kernel makes in the commit, one after the other: two chains of
five rules or so for each pod that is isolated in both directions. CPU is what the process used
for it on all cores, the kernel's part with it. The figures are those of BenchmarkPolicy, which
runs in a process of its own some times, all policies in each; the A/A is every other run of the
first policy over the rest.`

// runPolicy creates and deletes policies in the largest cluster.
func runPolicy(ctx context.Context, s scale) (part, error) {
	p := part{text: policyText, heads: []string{
		"policy", "times", "created p50", "fastest", "p99", "of it commit p50", "chains", "members",
		"CPU p50", "deleted p50",
	}}
	all, err := s.benchmarks.byRounds(ctx,
		goBenchmark{samplePackage, "^BenchmarkPolicy$", 10, s.short},
		min(s.rounds, 10), 2*s.limit)
	if err != nil {
		return p, err
	}
	again := all.times(all.names[0], "ns/op").again()
	for _, benchmark := range all.names {
		c := createdPolicy{all, benchmark}
		p.row(c.row()...)
		p.targets = append(p.targets, c.target(again))
	}
	return p, nil
}

// createdPolicy is what the benchmark of one policy has printed.
type createdPolicy struct {
	*goFigures
	benchmark string
}

func (c createdPolicy) name() string { return c.benchmark[len("Policy/"):] }

func (c createdPolicy) took(unit string) samples { return c.times(c.benchmark, unit) }

func (c createdPolicy) row() []string {
	return []string{
		c.name(), fmt.Sprint(c.iterations(c.benchmark)), short(c.took("ns/op").median()),
		short(c.took("fastest-ns").at(0)), short(c.took("p99-ns").at(1)),
		short(c.took("commit-ns").median()), count(c.last(c.benchmark, "chains")),
		count(c.last(c.benchmark, "members")), short(c.took("cpu-ns").median()),
		short(c.took("delete-ns").median()),
	}
}

func (c createdPolicy) target(again float64) target {
	const bound = 10 * time.Millisecond
	created := c.took("ns/op").median()
	return timeTarget(c.name()+", p50", bound, created, again).because(c.reason(created))
}

// reason says where the time goes.
func (c createdPolicy) reason(created time.Duration) string {
	made := count(c.last(c.benchmark, "chains")) + " chains"
	if members := c.last(c.benchmark, "members"); members > 0 {
		made += " and " + count(members) + " members of new sets"
	}
	committed := c.took("commit-ns").median()
	return fmt.Sprintf("%s are the commit, in which the kernel makes %s one after the other; "+
		"%s are the graph, which looks for the peers among all pods.",
		short(committed), made, short(created-committed))
}
