package ruleset

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// A packet that is on its way while a delta is carried out has the rules of before, and looks up what is there by then.
// Pods that come and go meanwhile let none pass that is denied before and after.
func TestNoPacketPassesWhilePodsComeAndGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := programs().Draw(t, "program")
		all.Strict = rapid.Bool().Draw(t, "strict")
		m := holding(t, having(t, all, "before"))
		change := Diff(observe(t, m), having(t, all, "after"))
		for _, d := range change.steps(1) {
			before := m.Program()
			if err := m.Apply(t.Context(), d); err != nil {
				t.Fatalf("%v\n%s", err, d.String())
			}
			wantNoPassage(t, before, m.Program(), d)
		}
	})
}

// A pod of a strict program has its chain before it is known, and is unknown before that goes.
func TestGroundworkOfStrictPrograms(t *testing.T) {
	without := &Program{Strict: true, Sets: StrictSets([]netip.Prefix{prefix("10.0.0.0/26")}, nil)}
	with := &Program{
		Strict: true, Sets: StrictSets([]netip.Prefix{prefix("10.0.0.0/26")}, []netip.Addr{addr("10.0.0.5")}),
		Chains:   []Chain{{ID: "egress/a/x", Direction: Egress, Subject: "a/x"}},
		Dispatch: []Dispatch{{Egress, addr("10.0.0.5"), "egress/a/x"}},
	}
	without.Sort()
	with.Sort()
	m, empty := &Memory{}, Diff(Observed{}, without)
	for _, step := range []struct {
		program     *Program
		first, rest string
	}{
		{without, "", empty.String()},
		{with, "+ chain egress/a/x\n  drop\n", "+ pods4-known 10.0.0.5\n+ dispatch egress 10.0.0.5 -> egress/a/x\n"},
		{without, "- pods4-known 10.0.0.5\n", "- dispatch egress 10.0.0.5 -> egress/a/x\n- chain egress/a/x\n"},
	} {
		have, _ := m.Observe(t.Context())
		d := Diff(have, step.program)
		first, rest := d.groundwork()
		if first.String() != step.first || rest.String() != step.rest {
			t.Errorf("first\n%sthen\n%s", first.String(), rest.String())
		}
		if err := m.Apply(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}

// having is a program with some of its pods. What belongs to no pod is not in it.
func having(t *rapid.T, all *Program, when string) *Program {
	p := *all
	var here []netip.Addr
	for n := range 64 {
		for _, f := range Families {
			here = append(here, nth(f, n))
		}
	}
	gone := rapid.SliceOfDistinct(addresses(), rapid.ID).Draw(t, "gone "+when)
	here = slices.DeleteFunc(here, func(a netip.Addr) bool { return slices.Contains(gone, a) })
	p.Dispatch = slices.DeleteFunc(slices.Clone(p.Dispatch), func(e Dispatch) bool { return slices.Contains(gone, e.Addr) })
	unused := func(c Chain) bool {
		return c.Denial != GoBack && !slices.ContainsFunc(p.Dispatch, func(e Dispatch) bool { return e.Chain == c.ID })
	}
	p.Chains = slices.DeleteFunc(slices.Clone(p.Chains), unused)
	if p.Strict {
		p.Sets = slices.Concat(p.Sets, StrictSets([]netip.Prefix{prefix("10.0.0.0/26"), prefix("fd00::/122")}, here))
	}
	p.Sort()
	return &p
}

func wantNoPassage(t *rapid.T, before, after *Program, d Delta) {
	for range 20 {
		f := Flow{addresses().Draw(t, "from"), addresses().Draw(t, "to"), rapid.SampledFrom(Protocols[:]).Draw(t, "proto"), rapid.Uint16Range(1, 4).Draw(t, "port")}
		was, _ := before.Decide(f)
		is, _ := after.Decide(f)
		for _, meanwhile := range passages(before, after) {
			if v, trace := meanwhile.Decide(f); v == Allow && was == Deny && is == Deny {
				t.Fatalf("%s passes while this is carried out: %v\n%s", f, trace, d.String())
			}
		}
	}
}

// passages are what a packet may meet between two programs: it looks up the known pods first, then where to be judged.
// A chain that had no rules when it came is there, and lets it go on.
func passages(before, after *Program) []*Program {
	known := func(s Set) bool { return s.ID.tellsKnown() }
	old, _ := partition(before.Sets, known)
	_, others := partition(after.Sets, known)
	late := &Program{Strict: before.Strict, Dispatch: after.Dispatch, Sets: slices.Concat(others, old), Chains: slices.Clone(before.Chains)}
	for _, c := range after.Chains {
		isThere := func(o Chain) bool { return o.ID == c.ID }
		if !slices.ContainsFunc(before.Chains, isThere) && c.Denial != GoBack {
			late.Chains = append(late.Chains, Chain{ID: c.ID, Rules: []Rule{{}}})
		}
	}
	both := *late
	both.Sets = slices.Clone(after.Sets)
	late.Sort()
	both.Sort()
	return []*Program{late, &both}
}
