package nft

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/picket-project/picket/ruleset"
)

// A packet that is on its way while a delta is carried out has the rules of before, and looks up
// what is there by then. Pods that come and go meanwhile let none pass that is denied before and
// after.
func TestNoPacketPassesWhilePodsComeAndGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := podPrograms().Draw(t, "program")
		all.Strict = rapid.Bool().Draw(t, "strict")
		m := holding(t, having(t, all, "before"))
		change := ruleset.Diff(observe(t, m), having(t, all, "after"))
		for _, d := range steps(change, 1) {
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
	without := &ruleset.Program{Strict: true,
		Sets: ruleset.StrictSets([]netip.Prefix{netip.MustParsePrefix("10.244.0.0/26")}, nil)}
	with := &ruleset.Program{
		Strict: true, Sets: ruleset.StrictSets(
			[]netip.Prefix{netip.MustParsePrefix("10.244.0.0/26")},
			[]netip.Addr{addr("10.244.0.5")}),
		Chains: []ruleset.Chain{{ID: "egress/a/x", Direction: ruleset.Egress, Subject: "a/x"}},
		Dispatch: []ruleset.Dispatch{{Direction: ruleset.Egress, Addr: addr("10.244.0.5"),
			Chain: "egress/a/x"}},
	}
	without.Sort()
	with.Sort()
	m, empty := &ruleset.Memory{}, ruleset.Diff(ruleset.Observed{}, without)
	for _, step := range []struct {
		program     *ruleset.Program
		first, rest string
	}{
		{without, "", empty.String()},
		{with, "+ chain egress/a/x\n  drop\n",
			"+ pods4-known 10.244.0.5\n+ dispatch egress 10.244.0.5 -> egress/a/x\n"},
		{without, "- pods4-known 10.244.0.5\n",
			"- dispatch egress 10.244.0.5 -> egress/a/x\n- chain egress/a/x\n"},
	} {
		have, _ := m.Observe(t.Context())
		d := ruleset.Diff(have, step.program)
		first, rest := splitGroundwork(d)
		if first.String() != step.first || rest.String() != step.rest {
			t.Errorf("first\n%sthen\n%s", first.String(), rest.String())
		}
		if err := m.Apply(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
}

// having is a program with some of its pods. What belongs to no pod is not in it.
func having(t *rapid.T, all *ruleset.Program, when string) *ruleset.Program {
	p := *all
	var here []netip.Addr
	for n := range 64 {
		for _, f := range ruleset.Families {
			here = append(here, nth(f, n))
		}
	}
	gone := rapid.SliceOfDistinct(someAddress(), rapid.ID).Draw(t, "gone "+when)
	here = slices.DeleteFunc(here, func(a netip.Addr) bool { return slices.Contains(gone, a) })
	p.Dispatch = slices.DeleteFunc(slices.Clone(p.Dispatch), func(e ruleset.Dispatch) bool {
		return slices.Contains(gone, e.Addr)
	})
	unused := func(c ruleset.Chain) bool {
		return c.Denial != ruleset.GoBack && !slices.ContainsFunc(p.Dispatch,
			func(e ruleset.Dispatch) bool {
				return e.Chain == c.ID
			})
	}
	p.Chains = slices.DeleteFunc(slices.Clone(p.Chains), unused)
	if p.Strict {
		p.Sets = slices.Concat(p.Sets, ruleset.StrictSets(
			[]netip.Prefix{netip.MustParsePrefix("10.244.0.0/26"),
				netip.MustParsePrefix("fd00:10:244::/122")}, here))
	}
	p.Sort()
	return &p
}

func wantNoPassage(t *rapid.T, before, after *ruleset.Program, d ruleset.Delta) {
	for range 20 {
		f := ruleset.Flow{
			From: someAddress().Draw(t, "from"), To: someAddress().Draw(t, "to"),
			Proto: rapid.SampledFrom(ruleset.Protocols[:]).Draw(t, "proto"),
			Port:  rapid.Uint16Range(1, 4).Draw(t, "port"),
		}
		was, _ := before.Decide(f)
		is, _ := after.Decide(f)
		for _, meanwhile := range passages(before, after) {
			if v, trace := meanwhile.Decide(f); v == ruleset.Allowed && was == ruleset.Denied &&
				is == ruleset.Denied {
				t.Fatalf("%s passes while this is carried out: %v\n%s", f, trace, d.String())
			}
		}
	}
}

// passages are what a packet may meet between two programs: it looks up the known pods first, then
// its chain. A chain that had no rules when it came is there, and lets it go on.
func passages(before, after *ruleset.Program) []*ruleset.Program {
	known := func(s ruleset.Set) bool { return s.ID.IsKnownPods() }
	old, _ := partition(before.Sets, known)
	_, others := partition(after.Sets, known)
	late := &ruleset.Program{Strict: before.Strict, Dispatch: after.Dispatch,
		Sets: slices.Concat(others, old), Chains: slices.Clone(before.Chains)}
	for _, c := range after.Chains {
		isThere := func(o ruleset.Chain) bool { return o.ID == c.ID }
		if !slices.ContainsFunc(before.Chains, isThere) && c.Denial != ruleset.GoBack {
			late.Chains = append(late.Chains, ruleset.Chain{ID: c.ID, Rules: []ruleset.Rule{{}}})
		}
	}
	both := *late
	both.Sets = slices.Clone(after.Sets)
	late.Sort()
	both.Sort()
	return []*ruleset.Program{late, &both}
}

// someAddress is one of either family.
func someAddress() *rapid.Generator[netip.Addr] {
	return rapid.OneOf(addresses(ruleset.IPv4), addresses(ruleset.IPv6))
}
