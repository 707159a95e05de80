package main

import (
	"context"
	"fmt"
	"time"
)

// section measures one thing.
type section struct {
	name  string // for the flag
	title string
	run   func(context.Context, scale) (part, error)
}

// sections lists all of them, in the order of BENCH.md.
func sections() []section {
	return []section{
		{"events", "What an event costs", runEvents},
		{"policy", "A policy is created", runPolicy},
		{"sync", "The first sync", runSync},
		{"decision", "A decision", runDecision},
		{"connect", "A connection", runConnect},
		{"updates", "One pod of many changes", runUpdates},
		{"bulk", "All pods at once", runBulk},
		{"backends", "Without nf_tables", runBackends},
		{"memory", "Memory and API load", runMemory},
		{"drops", "Reading what is denied", runDrops},
		{"end", "End to end", runEnd},
	}
}

// part is what a section has found. Its rows have as many cells as heads.
type part struct {
	text    string // what was done and what the columns mean
	heads   []string
	rows    [][]string
	targets []target
	chart   *chart // nil: none
}

func (p *part) row(cells ...string) { p.rows = append(p.rows, cells) }

// target is what a figure must be at most.
type target struct {
	what          string
	bound, figure string
	again         float64 // A/A: the same thing against itself
	met           bool
	reason        string // of a miss, where one is known
}

func (t target) outcome() string {
	if t.met {
		return "met"
	}
	return "**missed**"
}

// because adds the reason that there is if it is missed.
func (t target) because(reason string) target {
	t.reason = reason
	return t
}

// ratioTarget is one of two things measured in one run.
func ratioTarget(what string, bound, ratio, again float64) target {
	return target{what: what, bound: "≤ " + times(bound), figure: times(ratio), again: again,
		met: ratio <= bound}
}

// timeTarget is one of an absolute time, which says as much of the machine as of Picket.
func timeTarget(what string, bound, took time.Duration, again float64) target {
	return target{what: what, bound: "≤ " + short(bound), figure: short(took), again: again,
		met: took <= bound}
}

// times prints a ratio with what matters of it.
func times(ratio float64) string {
	switch {
	case ratio >= 100:
		return "× " + count(int(ratio))
	case ratio < 0.1:
		return fmt.Sprintf("× %.2g", ratio)
	default:
		return fmt.Sprintf("× %.2f", ratio)
	}
}

// short prints a duration with three digits.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.3g ms", d.Seconds()*1e3)
	default:
		return fmt.Sprintf("%.3g µs", d.Seconds()*1e6)
	}
}

// count prints a number with its thousands set apart.
func count(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", count(n/1000), n%1000)
}
