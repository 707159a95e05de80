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

// wantNoPassage wants no flow to pass at any step of a delta that both programs deny.
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
		before := peersAndRules().Draw(t, "before")
		after := *before
		after.Sets = nil
		for _, s := range before.Sets {
			after.Sets = append(after.Sets, ruleset.Set{ID: s.ID, Members: fewPeers(t)})
		}
		m := holding(t, before)
		for _, d := range steps(ruleset.Diff(observe(t, m), &after), 1) {
			was := m.Program()
			if err := m.Apply(t.Context(), d); err != nil {
				t.Fatalf("%v\n%s", err, d.String())
			}
			for mix := range 1 << len(was.Sets) {
				meanwhile := *was
				meanwhile.Sets = slices.Clone(was.Sets)
				for i := range meanwhile.Sets {
					if mix>>i&1 == 1 {
						meanwhile.Sets[i] = m.Program().Sets[i]
					}
				}
				wantNoMoreThan(t, &meanwhile, before, &after)
			}
		}
	})
}

// peersAndRules yields programs of one pod, whose chain has rules about three sets.
func peersAndRules() *rapid.Generator[*ruleset.Program] {
	return rapid.Custom(func(t *rapid.T) *ruleset.Program {
		c := ruleset.Chain{ID: "ingress/a/x", Subject: "a/x",
			End: rapid.SampledFrom([]ruleset.End{ruleset.EndDrop, ruleset.EndGoBack,
				ruleset.EndAudit}).Draw(t, "end")}
		p := &ruleset.Program{Dispatch: []ruleset.Dispatch{{Addr: nth(ruleset.IPv4, 60),
			Chain: c.ID}}}
		var rules []ruleset.Step
		for i, key := range []string{"a", "b", "c"} {
			id := ruleset.SetID{Kind: ruleset.Addresses, Family: ruleset.IPv4, Key: key}
			choice := []ruleset.Action{ruleset.Accept, ruleset.Deny, ruleset.Pass}[:min(2+i/2, 3)]
			rules = append(rules, ruleset.Rule{Peer: ruleset.InSet(id),
				Action: rapid.SampledFrom(choice).Draw(t, "action")})
			p.Sets = append(p.Sets, ruleset.Set{ID: id, Members: fewPeers(t)})
		}
		c.Steps = rapid.Permutation(rules).Draw(t, "rules")
		p.Chains = []ruleset.Chain{c}
		p.Sort()
		return p
	})
}

// fewPeers are some of four addresses.
func fewPeers(t *rapid.T) (members []ruleset.Member) {
	for n := range 4 {
		if rapid.Bool().Draw(t, "is a member") {
			members = append(members, ruleset.Member{Addr: nth(ruleset.IPv4, n)})
		}
	}
	return members
}

// wantNoMoreThan wants a program to deny what two others deny.
func wantNoMoreThan(t *rapid.T, meanwhile, before, after *ruleset.Program) {
	for n := range 4 {
		f := ruleset.Flow{From: nth(ruleset.IPv4, n), To: before.Dispatch[0].Addr}
		was, _ := before.Decide(f)
		is, _ := after.Decide(f)
		if v, trace := meanwhile.Decide(f); v > was && v > is {
			t.Fatalf("%s passes while this is carried out: %v\n%s", f, trace, meanwhile)
		}
	}
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
