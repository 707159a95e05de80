package compile

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// However rules are merged, and whether their ports are looked up, they decide like the list of
// them, also where some deny and some pass.
func TestMergedRulesDecideLikeTheirList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		subject := policy.Pod{Key: policy.Key{Namespace: "a", Name: "x"}}
		actions := rapid.SampledFrom([][]ruleset.Action{{ruleset.Accept}, {ruleset.Deny},
			{ruleset.Accept, ruleset.Deny, ruleset.Pass}}).Draw(t, "actions")
		var all []*contribution
		listed := Isolation{Chain: ruleset.Chain{ID: "ingress/a/x", End: ruleset.EndAccept}}
		for range rapid.IntRange(1, 3).Draw(t, "policies") {
			c := someContribution(t, actions)
			all = append(all, c)
			listed.Chain.Steps = append(listed.Chain.Steps, ruleset.RuleSteps(c.rules...)...)
			for _, source := range c.sources {
				listed.Sources = append(listed.Sources, *source)
			}
		}
		form := Form{MergeAbove: rapid.IntRange(1, 9).Draw(t, "most rules")}
		form.PortMaps = rapid.Bool().Draw(t, "port maps")
		merged := build(Subject{Pod: subject}, all, form).isolation(subject, form, NoGroup)
		merged.Chain.End = ruleset.EndAccept
		wantAlike(t, listed, merged)
	})
}

// someContribution has rules with ranges for peers.
func someContribution(t *rapid.T, actions []ruleset.Action) *contribution {
	c := &contribution{sources: map[ruleset.SetID]*SetSource{}}
	for range rapid.IntRange(0, 6).Draw(t, "rules") {
		r := ruleset.Rule{Action: rapid.SampledFrom(actions).Draw(t, "action"),
			Origins: []ruleset.Origin{{Policy: "a/p", Rule: len(c.rules)}}}
		switch rapid.IntRange(0, 4).Draw(t, "peer") {
		case 0, 1:
			r.Peer = ruleset.InPrefix(somePrefix(t))
		case 2, 3:
			blocks := policy.Union([]ruleset.Range{ruleset.RangeOf(somePrefix(t)),
				ruleset.RangeOf(netip.MustParsePrefix("10.0.0.0/32"))})
			source := rangeSet(blocks, ruleset.IPv4)
			c.sources[source.ID], r.Peer = &source, ruleset.InSet(source.ID)
		}
		if rapid.IntRange(0, 3).Draw(t, "ports") > 0 {
			r.Proto = rapid.SampledFrom([]ruleset.Protocol{ruleset.TCP, ruleset.UDP}).Draw(t, "proto")
			first := rapid.Uint16Range(1, 5).Draw(t, "first")
			last := first + rapid.SampledFrom([]uint16{0, 1, 30}).Draw(t, "more")
			r.Ports = []ruleset.PortRange{{First: first, Last: last}}
		}
		c.rules = append(c.rules, r)
	}
	return c
}

func somePrefix(t *rapid.T) netip.Prefix {
	last, bits := byte(rapid.IntRange(0, 15).Draw(t, "address")), rapid.IntRange(29, 32).Draw(t, "bits")
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, last}), bits)
}

// programOf dispatches an address to an isolation.
func programOf(x Isolation, to netip.Addr) *ruleset.Program {
	p := &ruleset.Program{Chains: append(slices.Clone(x.Shared), x.Chain),
		Dispatch: []ruleset.Dispatch{{Addr: to, Chain: x.Chain.ID}}}
	for _, s := range x.Sources {
		p.Sets = append(p.Sets, ruleset.Set{ID: s.ID, Members: s.Fixed()})
	}
	p.Sort()
	return p
}

func wantAlike(t *rapid.T, listed, merged Isolation) {
	to := netip.MustParseAddr("10.9.9.9")
	p, q := programOf(listed, to), programOf(merged, to)
	for last := range byte(16) {
		for port := range uint16(8) {
			for _, proto := range []ruleset.Protocol{ruleset.TCP, ruleset.UDP, ruleset.AnyProtocol} {
				f := ruleset.Flow{From: netip.AddrFrom4([4]byte{10, 0, 0, last}), To: to,
					Proto: proto, Port: port}
				want, _ := p.Decide(f)
				if got, trace := q.Decide(f); got != want {
					t.Fatalf("%s: %s, want %s: %v\n%s\n%s", f, got, want, trace, p, q)
				}
			}
		}
	}
}

// A set tells what rules do with its members: those that use it, in whatever chain.
func TestSourcesKnowTheActions(t *testing.T) {
	c := &contribution{sources: map[ruleset.SetID]*SetSource{}}
	source := rangeSet(ranges("10.0.0.0/32", "10.0.0.2/32"), ruleset.IPv4)
	c.sources[source.ID] = &source
	for i := range uint16(3) {
		c.rules = append(c.rules, ruleset.Rule{Peer: ruleset.InSet(source.ID), Proto: ruleset.TCP,
			Ports: []ruleset.PortRange{{First: i, Last: i}}, Action: ruleset.Deny})
	}
	for most, kinds := range map[int]string{9: "[2]", 1: "[2 2]"} {
		b := build(Subject{}, []*contribution{c},
			Form{Form: ruleset.FullForm(), MergeAbove: most})
		var got []ruleset.Actions
		for _, s := range b.isolation(policy.Pod{}, Form{}, NoGroup).Sources {
			got = append(got, s.Actions)
		}
		if fmt.Sprint(got) != kinds {
			t.Errorf("merged above %d: %v", most, got)
		}
	}
}
