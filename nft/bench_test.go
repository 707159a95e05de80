package nft

import (
	"fmt"
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

// One address is added to a set of some size, and deleted again. The metrics are the medians of
// both, which may differ much, and the 99th percentile of all.
func BenchmarkApplyOneMember(b *testing.B) {
	for _, addresses := range []int{10, 100, 1000, 10_000, benchMembers} {
		b.Run(fmt.Sprintf("addresses=%d", addresses), func(b *testing.B) {
			p := manyMembers(addresses)
			applyOneMember(b, loaded(b, p), p.Sets[0].ID)
		})
	}
}

func applyOneMember(b *testing.B, backend *Backend, set ruleset.SetID) {
	one := []ruleset.Members{{Set: set, Members: []ruleset.Member{{Addr: addr("10.255.0.1")}}}}
	change := func(d ruleset.Delta) time.Duration {
		return timed(func() {
			if err := backend.Apply(b.Context(), d); err != nil {
				b.Fatal(err)
			}
		})
	}
	var added, deleted []time.Duration
	for b.Loop() {
		added = append(added, change(ruleset.Delta{AddMembers: one}))
		deleted = append(deleted, change(ruleset.Delta{DelMembers: one}))
	}
	all := slices.Sorted(slices.Values(slices.Concat(added, deleted)))
	b.ReportMetric(float64(median(added)), "add-ns")
	b.ReportMetric(float64(median(deleted)), "delete-ns")
	b.ReportMetric(float64(all[len(all)*99/100]), "p99-ns")
}

// Addresses come into a kernel that holds none.
func BenchmarkFill(b *testing.B) {
	for _, addresses := range []int{1000, benchMembers} {
		b.Run(fmt.Sprintf("addresses=%d", addresses), func(b *testing.B) {
			none := &ruleset.Program{}
			backend := loaded(b, none)
			all := ruleset.Diff(ruleset.Observed{Condition: ruleset.Intact}, manyMembers(addresses))
			var took []time.Duration
			for b.Loop() {
				clear := ruleset.Diff(ruleset.Observed{}, none)
				if err := backend.Apply(b.Context(), clear); err != nil {
					b.Fatal(err)
				}
				took = append(took, timed(func() {
					if err := backend.Apply(b.Context(), all); err != nil {
						b.Fatal(err)
					}
				}))
			}
			b.ReportMetric(float64(median(took)), "ns/op")
		})
	}
}

func microseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// 100,000 addresses replace 100,000 in one transaction, by turns over netlink and by the nft
// program. The ratios are of medians; the second, of netlink to itself, says how much the first
// can be trusted.
func BenchmarkBulk100k(b *testing.B) {
	p := manyMembers(benchMembers)
	backend := loaded(b, p)
	delta, script := ruleset.Diff(ruleset.Observed{}, p), Script(p, Newest())
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
