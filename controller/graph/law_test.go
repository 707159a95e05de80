package graph_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

var (
	histories = flag.Int("histories", 100, "random histories to follow")
	seed      = flag.Uint64("seed", 1, "of the first random history")
)

// After any history the graph is what a compiler that sees the whole cluster makes of it,
// and a kernel that applied every change holds that program: whatever way the events took.
func TestGraphFollowsAnyHistory(t *testing.T) {
	for i := range *histories {
		r := rand.New(rand.NewPCG(*seed+uint64(i), 7))
		states := history(r)
		for name, expand := range expanders {
			follow(t, r, *seed+uint64(i), name, expand(r, states))
		}
		arrive(t, *seed+uint64(i), states)
	}
}

// history is a list of states of a cluster, each a change away from the one before.
func history(r *rand.Rand) []*oracle.World {
	states := []*oracle.World{{}, oracle.Random(r, oracle.Size{})}
	for range 6 {
		states = append(states, oracle.Edit(r, states[len(states)-1]))
	}
	return states
}

// expanders make other ways through the same states.
var expanders = map[string]func(*rand.Rand, []*oracle.World) []step{
	"as it came": func(_ *rand.Rand, s []*oracle.World) []step { return steps(s, 1) },
	"squashed":   func(_ *rand.Rand, s []*oracle.World) []step { return steps(s, 3) },
	"at once":    func(_ *rand.Rand, s []*oracle.World) []step { return steps(s, len(s)) },
	"reversed": func(_ *rand.Rand, s []*oracle.World) []step {
		back := append([]*oracle.World{}, s...)
		for i := len(s) - 2; i >= 0; i-- {
			back = append(back, s[i])
		}
		return steps(back, 2)
	},
	"shuffled": func(r *rand.Rand, s []*oracle.World) []step {
		all := steps(s, 2)
		for _, step := range all {
			r.Shuffle(len(step.events), func(i, j int) {
				step.events[i], step.events[j] = step.events[j], step.events[i]
			})
		}
		return all
	},
	"split": func(_ *rand.Rand, s []*oracle.World) []step {
		var single []step
		for _, step := range steps(s, 1) {
			for _, e := range step.events {
				single = append(single, makeStep(e))
			}
		}
		return single
	},
	"doubled": func(_ *rand.Rand, s []*oracle.World) []step {
		all := steps(s, 1)
		for i := range all {
			all[i].events = append(all[i].events, all[i].events...)
		}
		return all
	},
	"deleted and added again": func(r *rand.Rand, s []*oracle.World) []step {
		all := steps(s, 1)
		for i, world := range s {
			if r.IntN(2) == 0 && i < len(all) {
				all[i].events = append(all[i].events, moves(world, &oracle.World{})...)
				all[i].events = append(all[i].events, moves(&oracle.World{}, world)...)
			}
		}
		return all
	},
}

// step is events that arrive before the graph is asked.
type step struct{ events []graph.Event }

func makeStep(events ...graph.Event) step { return step{events} }

// steps turns states into events, some states at a time.
func steps(states []*oracle.World, each int) []step {
	var all []step
	for i := range states {
		before := &oracle.World{}
		if i > 0 {
			before = states[i-1]
		}
		if i%each == 0 {
			all = append(all, step{})
		}
		last := &all[len(all)-1]
		last.events = append(last.events, moves(before, states[i])...)
	}
	return all
}

// moves are the events that lead from one state to another.
func moves(from, to *oracle.World) []graph.Event {
	var events []graph.Event
	changed(&events, from.Namespaces, to.Namespaces)
	changed(&events, from.Nodes, to.Nodes)
	changed(&events, from.Pods, to.Pods)
	changed(&events, from.Policies, to.Policies)
	return events
}

func changed[T interface {
	comparable
	GetNamespace() string
	GetName() string
}](events *[]graph.Event, from, to []T) {
	have := map[policy.Key]T{}
	for _, o := range from {
		have[policy.Key{Namespace: o.GetNamespace(), Name: o.GetName()}] = o
	}
	for _, o := range to {
		key := policy.Key{Namespace: o.GetNamespace(), Name: o.GetName()}
		if have[key] != o {
			*events = append(*events, graph.EventOf(o))
		}
		delete(have, key)
	}
	for key, o := range have {
		*events = append(*events, graph.GoneOf(o, key))
	}
}

func follow(t *testing.T, r *rand.Rand, seed uint64, name string, steps []step) {
	t.Helper()
	g := graph.New("n1", ruleset.Drop)
	if r.IntN(2) == 0 {
		g.MergeAbove(1)
	}
	if r.IntN(2) == 0 {
		g.Limit(scarce(r))
	}
	if r.IntN(3) == 0 { // as for iptables
		g.SetForm(ruleset.Form{RulePorts: 1 + r.IntN(3), Copies: true, MostRules: r.IntN(40)})
	}
	first := ruleset.Delta{Clear: true, Frame: true}
	if r.IntN(2) == 0 {
		g.DenyUnknown()
		first.Strict, first.AddSets = true, ruleset.StrictSets(nil, nil)
	}
	if r.IntN(2) == 0 {
		g.KeepDeparted()
	}
	if r.IntN(4) == 0 {
		g.AnyAddress()
	}
	kernel := &ruleset.Memory{}
	apply(t, kernel, first)
	for i, s := range steps {
		for _, e := range s.events {
			g.Apply(e)
			look(r, g)
		}
		want, _ := compile.Compile(g.Snapshot())
		if r.IntN(2) == 0 {
			g.Counts() // looking must not matter
		}
		apply(t, kernel, g.Changes())
		if diff := cmp.Diff(want.String(), g.Program().String()); diff != "" {
			t.Fatalf("-seed %d %s, step %d: Compile(Snapshot) - graph +\n%s", seed, name, i, diff)
		}
		want.Node = nil
		if diff := cmp.Diff(want.String(), kernel.Program().String()); diff != "" {
			t.Fatalf("-seed %d %s, step %d: wanted - kernel +\n%s", seed, name, i, diff)
		}
		have, _ := kernel.Observe(t.Context())
		if d := ruleset.Diff(have, g.Program()); !d.Empty() {
			t.Fatalf("-seed %d %s, step %d: left to do\n%s", seed, name, i, d.String())
		}
	}
}

// scarce are budgets that small worlds reach, and leave again.
func scarce(r *rand.Rand) compile.Budgets {
	need := func(most int) compile.Need {
		return compile.Need{Members: r.IntN(4 * most), Sets: 1 + r.IntN(most), Rules: 1 +
			r.IntN(2*most), Longest: 1 + r.IntN(most)}
	}
	return compile.Budgets{Pod: need(12), Namespace: need(16), Node: need(24), MinPods: r.IntN(3)}
}

// look tells the graph now and then what the kernel of its node says of addresses.
func look(r *rand.Rand, g *graph.Graph) {
	switch r.IntN(12) {
	case 0:
		behind := slices.DeleteFunc(g.Questions(), func(netip.Addr) bool { return r.IntN(2) == 0 })
		g.Apply(graph.BehindSet{Addrs: behind})
	case 1:
		own := slices.DeleteFunc(addrs("10.77.0.11", "fd77::11", "10.244.1.1", "10.244.1.2",
			"10.77.0.12", "8.8.8.8"), func(netip.Addr) bool {
			return r.IntN(2) == 0
		})
		ranges := []netip.Prefix{netip.MustParsePrefix("10.244.1.0/25"),
			netip.MustParsePrefix("fd00:10:244:1::/64")}
		g.Apply(graph.HostSet{Own: own, Ranges: ranges[:r.IntN(3)]})
	case 2:
		dispatch := map[ruleset.Subject]ruleset.ChainID{}
		for _, a := range addrs("10.244.1.1", "10.244.1.2", "fd00:10:244:1::2", "8.8.8.8") {
			for _, d := range ruleset.Directions[:r.IntN(3)] {
				chain := ruleset.ChainID(d.String() + "/" + g.PodAt(a))
				dispatch[ruleset.Subject{Direction: d, Addr: a}] = chain
			}
		}
		g.Apply(graph.IsolatedSet{Dispatch: dispatch})
	}
}

// arrive checks that the way does not matter, only where it leads; while a namespace
// terminates it does.
func arrive(t *testing.T, seed uint64, states []*oracle.World) {
	t.Helper()
	for _, w := range states {
		for _, ns := range w.Namespaces {
			if ns.DeletionTimestamp != nil {
				return
			}
		}
	}
	g := graph.New("n1", ruleset.Drop)
	for _, s := range steps(states, 1) {
		for _, e := range s.events {
			g.Apply(e)
		}
	}
	want, _ := compile.Compile(compile.SnapshotOf(policy.Objects(*states[len(states)-1]), "n1"))
	if diff := cmp.Diff(want.String(), g.Program().String()); diff != "" {
		t.Fatalf("-seed %d: Compile(last state) - graph +\n%s", seed, diff)
	}
}

func apply(t *testing.T, kernel *ruleset.Memory, d ruleset.Delta) {
	t.Helper()
	for _, step := range nft.Steps(d) {
		if err := kernel.Apply(context.Background(), step); err != nil {
			t.Fatalf("%v\n%s", err, step.String())
		}
	}
}
