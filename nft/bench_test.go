package nft

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/picket-project/picket/ruleset"
)

const benchMembers = 100_000

// loaded returns a backend that holds a program.
func loaded(b *testing.B, p *ruleset.Program) *Backend {
	newNetns(b)
	backend := open(b, Options{NoOwner: true})
	if err := backend.Apply(b.Context(), ruleset.Diff(ruleset.Observed{}, p)); err != nil {
		b.Fatal(err)
	}
	return backend
}

// One address comes to, then goes from, a set of 100,000. Besides the mean, the median and the 99th
// percentile of a change.
func BenchmarkApplyOneMember(b *testing.B) {
	p := manyMembers(benchMembers)
	backend := loaded(b, p)
	one := []ruleset.Members{{Set: p.Sets[0].ID, Members: []ruleset.Member{{Addr: addr("10.255.0.1")}}}}
	deltas := []ruleset.Delta{{AddMembers: one}, {DelMembers: one}}
	var took []time.Duration
	for i := 0; b.Loop(); i++ {
		start := time.Now()
		if err := backend.Apply(b.Context(), deltas[i%2]); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(microseconds(took[len(took)/2]), "p50-µs")
	b.ReportMetric(microseconds(took[len(took)*99/100]), "p99-µs")
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// 100,000 addresses replace 100,000 in one transaction, by turns over netlink and by the nft
// program. The ratios are of medians; the second, of netlink to itself, says how much the first
// can be trusted.
func BenchmarkBulk100k(b *testing.B) {
	p := manyMembers(benchMembers)
	backend := loaded(b, p)
	delta, script := ruleset.Diff(ruleset.Observed{}, p), Script(p)
	netlink := func() {
		if err := backend.Apply(b.Context(), delta); err != nil {
			b.Fatal(err)
		}
	}
	program := func() {
		cmd := exec.Command("nft", "-f", "-")
		cmd.Stdin = strings.NewReader(script)
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
	var ours, theirs, again []time.Duration
	for b.Loop() {
		ours = append(ours, timed(netlink))
		theirs = append(theirs, timed(program))
		again = append(again, timed(netlink))
	}
	b.ReportMetric(float64(median(ours))/float64(median(theirs)), "of-nft-f")
	b.ReportMetric(float64(median(ours))/float64(median(again)), "of-itself")
	b.ReportMetric(microseconds(median(ours))/1e3, "netlink-ms")
	b.ReportMetric(microseconds(median(theirs))/1e3, "nft-f-ms")
}

func timed(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}

func median(durations []time.Duration) time.Duration {
	slices.Sort(durations)
	return durations[len(durations)/2]
}

// What an agent pays to look at 100,000 addresses that are as they should be: at its start, and
// now and then.
func BenchmarkObserve100k(b *testing.B) {
	backend := loaded(b, manyMembers(benchMembers))
	for b.Loop() {
		if _, err := backend.Observe(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
