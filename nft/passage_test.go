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
		return c.Subject != "" && !slices.ContainsFunc(p.Dispatch,
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

// Peers that come and go meanwhile let none pass that is denied before and after, where a set serves
// rules of one action and one set at most those that pass: a packet may find some peers of before
// and some of after.
func TestNoPacketPassesWhilePeersComeAndGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := withOneActionASet(t, podPrograms().Draw(t, "program"))
		before, after := withSomePeers(t, all, "before"), withSomePeers(t, all, "after")
		m := holding(t, before)
		for _, d := range steps(ruleset.Diff(observe(t, m), after), 1) {
			was := m.Program()
			if err := m.Apply(t.Context(), d); err != nil {
				t.Fatalf("%v\n%s", err, d.String())
			}
			mixed := *was
			mixed.Sets = slices.Clone(was.Sets)
			for i := range mixed.Sets {
				if rapid.Bool().Draw(t, "of after") {
					mixed.Sets[i] = m.Program().Sets[i]
				}
			}
			wantNoMoreThan(t, &mixed, before, after)
		}
	})
}

// withOneActionASet gives all rules that speak of a set one action.
func withOneActionASet(t *rapid.T, p *ruleset.Program) *ruleset.Program {
	actions := map[ruleset.SetID]ruleset.Action{}
	for i, s := range p.Sets {
		actions[s.ID] = rapid.SampledFrom([]ruleset.Action{ruleset.Accept,
			ruleset.Deny}).Draw(t, "action")
		if i == 0 && rapid.Bool().Draw(t, "one set of what passes") {
			actions[s.ID] = ruleset.Pass
		}
	}
	for _, c := range p.Chains {
		for i, s := range c.Steps {
			if r, is := s.(ruleset.Rule); is && r.Peer.HasSet() {
				r.Action = actions[r.Peer.Set]
				c.Steps[i] = r
			}
		}
	}
	return p
}

// withSomePeers is a program with some of the members that its sets of peers have.
func withSomePeers(t *rapid.T, all *ruleset.Program, when string) *ruleset.Program {
	p := *all
	p.Sets = slices.Clone(all.Sets)
	for i, s := range p.Sets {
		p.Sets[i].Members = slices.DeleteFunc(slices.Clone(s.Members), func(ruleset.Member) bool {
			return !s.ID.Leads() && rapid.Bool().Draw(t, "absent "+when)
		})
	}
	return &p
}

// wantNoMoreThan wants a program to deny in each direction what two others deny there.
func wantNoMoreThan(t *rapid.T, meanwhile, before, after *ruleset.Program) {
	for range 20 {
		f := ruleset.Flow{
			From: someAddress().Draw(t, "from"), To: someAddress().Draw(t, "to"),
			Proto: rapid.SampledFrom(ruleset.Protocols[:]).Draw(t, "proto"),
			Port:  rapid.SampledFrom([]uint16{1, 2, 3, 4, 53, 8080, 65535}).Draw(t, "port"),
		}
		if len(after.Dispatch) > 0 {
			e := rapid.SampledFrom(after.Dispatch).Draw(t, "subject")
			*[...]*netip.Addr{&f.To, &f.From}[e.Direction] = e.Addr
		}
		for _, d := range ruleset.Directions {
			was, _ := inOneDirection(before, d).Decide(f)
			is, _ := inOneDirection(after, d).Decide(f)
			if v, trace := inOneDirection(meanwhile, d).Decide(f); v > was && v > is {
				t.Fatalf("%s passes while this is carried out: %v\n%s", f, trace, meanwhile)
			}
		}
	}
}

// inOneDirection is a program that decides in one direction alone.
func inOneDirection(p *ruleset.Program, d ruleset.Direction) *ruleset.Program {
	one := *p
	one.Dispatch = slices.DeleteFunc(slices.Clone(p.Dispatch), func(e ruleset.Dispatch) bool {
		return e.Direction != d
	})
	return &one
}

// passages are what a packet may meet between two programs: it looks up the known pods first, then
// its chain. A chain that had no rules when it came is there, and decides nothing.
func passages(before, after *ruleset.Program) []*ruleset.Program {
	known := func(s ruleset.Set) bool { return s.ID.IsKnownPods() }
	old, _ := partition(before.Sets, known)
	_, others := partition(after.Sets, known)
	late := &ruleset.Program{Strict: before.Strict, Dispatch: after.Dispatch,
		Sets: slices.Concat(others, old), Chains: slices.Clone(before.Chains)}
	for _, c := range after.Chains {
		isThere := func(o ruleset.Chain) bool { return o.ID == c.ID }
		if !slices.ContainsFunc(before.Chains, isThere) {
			late.Chains = append(late.Chains, ruleset.Chain{ID: c.ID, End: ruleset.EndGoBack})
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
