package iptables

import (
	"fmt"
	"testing"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/measure"
)

// What a change costs among so many policies: all at once, one address in a set, and one pod. Each
// change of one is taken back: the figures are those of one change.
func BenchmarkApply(b *testing.B) {
	for _, policies := range []int{100, 1000} {
		p := measure.Program(100, policies)
		b.Run(fmt.Sprintf("everything/%d", policies), func(b *testing.B) {
			newNetns(b)
			for b.Loop() {
				backend := Open(Options{})
				apply(b, backend, ruleset.Diff(ruleset.Observed{}, p))
				b.StopTimer()
				if _, err := backend.Cleanup(b.Context()); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
		for _, change := range measure.Changes(p) {
			b.Run(fmt.Sprintf("%s/%d", change.Name, policies), func(b *testing.B) {
				newNetns(b)
				backend := Open(Options{})
				apply(b, backend, ruleset.Diff(ruleset.Observed{}, p))
				for b.Loop() {
					apply(b, backend, change.Do)
					apply(b, backend, change.Undo)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*b.N), "ns/op")
			})
		}
	}
}

func apply(b *testing.B, backend *Backend, d ruleset.Delta) {
	b.Helper()
	if err := backend.Apply(b.Context(), d); err != nil {
		b.Fatal(err)
	}
}
