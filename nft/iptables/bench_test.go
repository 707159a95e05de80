package iptables

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

// What a change costs among so many policies: one member of a set, one pod, and all at once.
func BenchmarkApply(b *testing.B) {
	for _, policies := range []int{100, 1000} {
		p := subjects(100, policies)
		b.Run(fmt.Sprintf("all/%d", policies), func(b *testing.B) {
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
		b.Run(fmt.Sprintf("pod/%d", policies), func(b *testing.B) {
			newNetns(b)
			backend := Open(Options{})
			apply(b, backend, ruleset.Diff(ruleset.Observed{}, p))
			one := ruleset.Dispatch{Direction: ruleset.Ingress,
				Addr: netip.MustParseAddr("10.244.1.250"), Chain: p.Chains[0].ID}
			for b.Loop() {
				apply(b, backend, ruleset.Delta{AddDispatch: []ruleset.Dispatch{one}})
				apply(b, backend, ruleset.Delta{DelDispatch: []ruleset.Dispatch{one}})
			}
		})
		b.Run(fmt.Sprintf("member/%d", policies), func(b *testing.B) {
			newNetns(b)
			backend := Open(Options{})
			apply(b, backend, ruleset.Diff(ruleset.Observed{}, p))
			one := []ruleset.Members{ruleset.Added(p.Sets[0].ID,
				[]ruleset.Member{{Addr: netip.MustParseAddr("10.1.2.3")}},
				ruleset.ActionsOf(ruleset.Accept))}
			for b.Loop() {
				apply(b, backend, ruleset.Delta{AddMembers: one})
				apply(b, backend, ruleset.Delta{DelMembers: one})
			}
		})
	}
}

func apply(b *testing.B, backend *Backend, d ruleset.Delta) {
	b.Helper()
	if err := backend.Apply(b.Context(), d); err != nil {
		b.Fatal(err)
	}
}
