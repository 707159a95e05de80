package iptables

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
)

// blocks is the set of a program that allows all but 10.0.0.0/8.
var blocks = ruleset.Set{ID: ruleset.SetID{Kind: ruleset.Ranges, Family: ruleset.IPv4, Key: "x"},
	Members: []ruleset.Member{{Addr: addr("0.0.0.0"), Last: addr("9.255.255.255")},
		{Addr: addr("11.0.0.0"), Last: addr("255.255.255.255")}}}

// allowing is a program whose only chain allows a set.
func allowing(s ruleset.Set) *ruleset.Program {
	id := ruleset.NewChainID(ruleset.Ingress, "n", "a")
	p := &ruleset.Program{Sets: []ruleset.Set{s}, Chains: []ruleset.Chain{{ID: id,
		Direction: ruleset.Ingress, Subject: "n/a",
		Steps: ruleset.RuleSteps(ruleset.Rule{Peer: ruleset.InSet(s.ID)})}},
		Dispatch: []ruleset.Dispatch{{Direction: ruleset.Ingress, Addr: addr("10.244.1.5"),
			Chain: id}}}
	p.Sort()
	return p
}

// Whatever somebody does to a set of ranges is undone: where ranges touch then, or overlap, where
// an element is turned off, and where one is no element of ours.
func TestTamperedRangesAreRepaired(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), allowing(blocks)
	converge(t, b, p)
	name := setName(blocks.ID, accepting, "")
	elementsOf := func() elements {
		k, err := b.readKernel(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return k.sets[name].elements
	}
	want := elementsOf()
	for _, deed := range []string{"add SET 0.0.0.0/1", "add SET 10.0.0.0/8", "add SET 10.9.0.0/16",
		"add SET 11.9.0.0/16", "add SET 12.0.0.0/7 nomatch", "-exist add SET 11.0.0.0/8 nomatch",
		"del SET 11.0.0.0/8"} {
		words := strings.Fields("ipset " + strings.ReplaceAll(deed, "SET", name))
		run(t, "", words...)
		if d := left(t, b, p); d.Empty() {
			t.Errorf("%s: not seen", deed)
		}
		converge(t, b, p)
		if have := elementsOf(); !cmp.Equal(have, want) {
			t.Errorf("%s: there is %v, want %v", deed, have.sorted(), want.sorted())
		}
	}
}

// What is turned off in a set of the fence is on again, and what is no member at all goes.
func TestStrangeElementsAreRepaired(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	if err := b.PutSegment(t.Context(), fencedPort); err != nil {
		t.Fatal(err)
	}
	named := setName(setID(ruleset.AddressPorts, ruleset.IPv4), denying, "")
	behind := setName(ruleset.Behind(ruleset.IPv4), accepting, "")
	for _, deed := range []string{"-exist add picket-taken4 10.244.0.0/16 nomatch",
		"add " + named + " 10.9.9.9,icmp:echo-request",
		"-exist add " + behind + " 10.244.1.5,cni wildcard", "add " + behind + " 0.0.0.0/0,cni0"} {
		for _, b := range []*Backend{b, Open(Options{})} {
			run(t, "", strings.Fields("ipset "+deed)...)
			if have, err := b.Observe(t.Context()); err != nil ||
				have.Condition != ruleset.Damaged {
				t.Errorf("%s: %v, %v", deed, have.Condition, err)
			}
			converge(t, b, p)
		}
		for _, word := range []string{"nomatch", "icmp:", "wildcard", "0.0.0.0/0,"} {
			if text := run(t, "", "ipset", "save"); strings.Contains(text, word) {
				t.Errorf("%s: it is still there:\n%s", deed, text)
			}
		}
		if text := run(t, "", "ipset", "save", "picket-taken4"); !strings.Contains(text,
			" 10.244.0.0/16") {
			t.Errorf("%s: there is only\n%s", deed, text)
		}
	}
}

// Ranges of a node that touch stay two, for this process and the next.
func TestRangesOfANodeStay(t *testing.T) {
	newNetns(t)
	ranges := []netip.Prefix{netip.MustParsePrefix("10.244.1.0/24"),
		netip.MustParsePrefix("10.244.2.0/24")}
	p := &ruleset.Program{Strict: true, Sets: ruleset.StrictSets(ranges, nil)}
	p.Sort()
	b := Open(Options{})
	converge(t, b, p)
	for _, b := range []*Backend{b, Open(Options{})} {
		have, err := b.Observe(t.Context())
		if err != nil || have.Condition != ruleset.Intact {
			t.Fatal(have.Condition, err)
		}
		var found []netip.Prefix
		for _, m := range have.Sets[ruleset.LocalRange(ruleset.IPv4)] {
			p, _ := ruleset.Range{First: m.Addr, Last: m.Last}.Prefix()
			found = append(found, p)
		}
		if !cmp.Equal(found, ranges, equal, cmp.Comparer(func(a, b netip.Prefix) bool {
			return a == b
		})) {
			t.Errorf("found %v", found)
		}
	}
}
