package main

import (
	"context"
	"time"
)

// Outcome is what came of a case. There is no fourth.
type Outcome string

// The outcomes, as they are written down.
const (
	Passed  Outcome = "passed"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped"
)

// Case is one spec of a suite and what came of it.
type Case struct {
	Name    string  `json:"name"`
	Outcome Outcome `json:"outcome"`
	// Why it failed, was skipped, or is flaky; empty for one that just passed.
	Why string `json:"why,omitempty"`
	// Flaky is one that passed, but not on the first try.
	Flaky bool          `json:"flaky,omitempty"`
	Time  time.Duration `json:"-"`
}

// notable reports whether a case is written down by name.
func (c Case) notable() bool { return c.Outcome != Passed || c.Flaky }

// Plan is what a suite holds, in its own order.
type Plan struct {
	Run     []string // names of the cases to run
	Skipped []Case   // with the reasons
}

// add puts a name where it belongs: an empty reason means that it runs.
func (p *Plan) add(name, reason string) {
	if reason == "" {
		p.Run = append(p.Run, name)
		return
	}
	p.Skipped = append(p.Skipped, Case{Name: name, Outcome: Skipped, Why: reason})
}

// Suite is somebody else's collection of tests.
type Suite interface {
	// Name is what it is called in the results.
	Name() string
	// Plan lists the cases without touching the cluster.
	Plan(ctx context.Context) (Plan, error)
	// Run runs the cases of a plan and reports each as soon as it is over, one at a time and every
	// one of them, also where the suite ended early; only when ctx ends, some are never reported.
	// Its error is of the suite, never of a case.
	Run(ctx context.Context, plan Plan, report func(Case)) error
}
