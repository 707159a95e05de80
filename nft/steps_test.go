package nft

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/picket-project/picket/ruleset"
)

// The groundwork is new, so that no packet meets it, and nothing leads to a chain that the same
// transaction makes.
func TestGroundworkOfADelta(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := podPrograms().Draw(t, "a"), podPrograms().Draw(t, "b")
		m := holding(t, a)
		first, rest := splitGroundwork(ruleset.Diff(observe(t, m), b))
		if err := m.Apply(t.Context(), first); err != nil {
			t.Fatalf("%v\n%s", err, first.String())
		}
		if have := observe(t, m); !cmp.Equal(have.Dispatch, observe(t, holding(t, a)).Dispatch) {
			t.Fatal("the groundwork isolates")
		}
		for _, c := range first.PutChains {
			if !c.New {
				t.Fatalf("%s has rules already", c.ID)
			}
		}
		replaces := len(rest.DelDispatch)*len(rest.AddDispatch)+len(rest.AddMembers) > 0
		for _, c := range rest.PutChains {
			if led := slices.ContainsFunc(rest.AddMembers, leadsTo(c.ID)); c.New && replaces &&
				led {
				t.Fatalf("%s is made when it is led to:\n%s", c.ID, rest.String())
			}
		}
		if err := m.Apply(t.Context(), rest); err != nil {
			t.Fatalf("%v\n%s", err, rest.String())
		}
		wantDone(t, m, b)
	})
}

func TestNewPeersOfAPortAreGroundwork(t *testing.T) {
	leading := func(key string) *ruleset.Program {
		peers := ruleset.Chain{
			ID: ruleset.NewPeersID(ruleset.Ingress, key), Steps: ruleset.Steps{ruleset.Rule{}},
			End: ruleset.EndGoBack,
		}
		pod := ruleset.Chain{ID: "ingress/a/x", Subject: "a/x",
			Steps: ruleset.Steps{ruleset.Lookup{Set: ruleset.PortsOf("ingress/a/x")}}}
		ports := ruleset.Set{ID: ruleset.PortsOf(pod.ID), Members: []ruleset.Member{
			{Proto: ruleset.TCP, Port: 80, Chain: peers.ID}}}
		return &ruleset.Program{Chains: []ruleset.Chain{pod, peers}, Sets: []ruleset.Set{ports}}
	}
	m := &ruleset.Memory{}
	if err := m.Apply(t.Context(), ruleset.Diff(ruleset.Observed{}, leading("one"))); err != nil {
		t.Fatal(err)
	}
	have, _ := m.Observe(t.Context())
	first, rest := splitGroundwork(ruleset.Diff(have, leading("two")))
	two := ruleset.NewPeersID(ruleset.Ingress, "two")
	if len(first.PutChains) != 1 || first.PutChains[0].ID != two || len(rest.PutChains) != 0 ||
		len(rest.DelChains) != 1 {
		t.Errorf("first\n%sthen\n%s", first.String(), rest.String())
	}
}

// leadsTo tells members that lead to a chain.
func leadsTo(id ruleset.ChainID) func(ruleset.Members) bool {
	return func(change ruleset.Members) bool {
		return slices.ContainsFunc(change.Members, func(m ruleset.Member) bool {
			return m.Chain == id
		})
	}
}

// Large new sets are filled before anything else changes, each transaction at most doubling what
// they have.
func TestLargeSetsAreFilledBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := podPrograms().Draw(t, "a"), podPrograms().Draw(t, "b")
		m := holding(t, a)
		before, d := m.Program(), ruleset.Diff(observe(t, m), b)
		fillings, rest := splitFillings(d, 1)
		for _, f := range fillings {
			wantFilling(t, m.Program(), f)
			if err := m.Apply(t.Context(), f); err != nil {
				t.Fatalf("%v\n%s", err, f.String())
			}
		}
		after := m.Program()
		after.Sets = before.Sets
		if !cmp.Equal(before, after, equalPrograms) {
			t.Fatal("more than sets have changed")
		}
		for _, s := range rest.AddSets {
			if growsLate(s.ID) && len(s.Members) > 1 {
				t.Fatalf("%s is filled together with the rest", s.ID)
			}
		}
		if err := m.Apply(t.Context(), rest); err != nil {
			t.Fatalf("%v\n%s", err, rest.String())
		}
		wantDone(t, m, b)
	})
}

// wantFilling wants members for one set, no more than it has.
func wantFilling(t *rapid.T, have *ruleset.Program, f ruleset.Delta) {
	if len(f.AddSets) == 1 && len(f.AddSets[0].Members) == 1 && len(f.AddMembers) == 0 {
		return
	}
	if len(f.AddSets) != 0 || len(f.AddMembers) != 1 {
		t.Fatalf("not one set is filled:\n%s", f.String())
	}
	more := f.AddMembers[0]
	i := slices.IndexFunc(have.Sets, func(s ruleset.Set) bool { return s.ID == more.Set })
	if i < 0 || len(more.Members) > len(have.Sets[i].Members) {
		t.Fatalf("%d members at once:\n%s", len(more.Members), f.String())
	}
}

// holding returns a kernel in memory that holds a program.
func holding(t *rapid.T, p *ruleset.Program) *ruleset.Memory {
	m := &ruleset.Memory{}
	if err := m.Apply(t.Context(), ruleset.Diff(observe(t, m), p)); err != nil {
		t.Fatalf("apply to an empty kernel: %v\n%s", err, p)
	}
	return m
}

func observe(t *rapid.T, m *ruleset.Memory) ruleset.Observed {
	o, err := m.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// wantDone wants nothing to be left to do.
func wantDone(t *rapid.T, m *ruleset.Memory, p *ruleset.Program) {
	if d := ruleset.Diff(observe(t, m), p); !d.Empty() {
		t.Fatalf("left to do:\n%s", d.String())
	}
}

// equalPrograms compares parts of programs; an empty list is the same as none.
var equalPrograms = cmp.Options{
	cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}),
}
