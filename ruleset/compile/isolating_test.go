package compile_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

// While an agent that starts has read a part of the policies and namespaces, nothing passes that was
// denied before and is denied once all was read: not even where the part that was read is audited.
func TestPartThatWasReadOpensNothing(t *testing.T) {
	denied := 0
	for i := range max(*worlds/10, 1) {
		s := *seed + uint64(i)
		r, w := drawWorld(s, 9)
		part := *w
		part.Policies, part.Namespaces = someOf(r, w.Policies), someOf(r, w.Namespaces)
		flows := sample(r, w, w.Flows(), 60)
		for _, node := range nodesOf(w) {
			whole, kernel := nodeProgram(w, node), &ruleset.Memory{}
			apply(t, kernel, func(ruleset.Observed) ruleset.Delta {
				return ruleset.Diff(ruleset.Observed{}, whole)
			})
			apply(t, kernel, func(have ruleset.Observed) ruleset.Delta {
				want := nodeProgram(&part, node)
				return ruleset.Diff(have, want).Isolating(want)
			})
			meanwhile := kernel.Program()
			meanwhile.Node = whole.Node
			for _, f := range flows {
				verdict, trace := whole.Decide(flowOf(f))
				// Of several pods at one address all policies must be known.
				if last := trace[len(trace)-1]; verdict == ruleset.Allowed ||
					strings.Contains(string(last.Chain), "by_address") {
					continue
				}
				denied++
				if now, opened := meanwhile.Decide(flowOf(f)); now == ruleset.Allowed {
					t.Fatalf("-seed=%d: %v: %v, then %v\n%s", s, f, trace, opened, w)
				}
			}
		}
	}
	if denied < *worlds/10 {
		t.Errorf("%d flows are denied: that says too little", denied)
	}
}

// someOf drops some of the objects.
func someOf[T any](r *rand.Rand, all []T) []T {
	return slices.DeleteFunc(slices.Clone(all), func(T) bool { return r.IntN(3) == 0 })
}

// nodeProgram compiles a world for one node.
func nodeProgram(w *oracle.World, node string) *ruleset.Program {
	p, _ := compile.Compile(compile.SnapshotOf(policy.Objects(*w), node))
	return p
}

// apply carries out what follows from what a kernel holds.
func apply(t *testing.T, m *ruleset.Memory, next func(ruleset.Observed) ruleset.Delta) {
	t.Helper()
	have, err := m.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Apply(t.Context(), next(have)); err != nil {
		t.Fatal(err)
	}
}
