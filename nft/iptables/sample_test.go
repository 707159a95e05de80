package iptables

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// sample is a program with every kind of set, chain, peer and port in both families and directions.
func sample(denial ruleset.Denial) *ruleset.Program {
	p := &ruleset.Program{Links: []string{"cni0"}}
	p.Sets = slices.Concat(
		ruleset.LinkSets([]ruleset.Link{{Name: "cni0", Addrs: []netip.Addr{addr("10.244.1.5"),
			addr("10.244.1.6"), addr("fd00:10:244:1::5")}}}),
		ruleset.NodeSets([]netip.Addr{addr("192.0.2.11"), addr("fd77::11")}),
		ruleset.TunnelSets([]ruleset.Tunnel{{Proto: ruleset.UDP, Port: 8472}}))
	for _, f := range ruleset.Families {
		p.Sets = append(p.Sets, sampleSets(f)...)
	}
	for _, d := range ruleset.Directions {
		p.Chains = append(p.Chains, sampleChains(d, denial)...)
		for _, a := range []string{"10.244.1.5", "fd00:10:244:1::5"} {
			p.Dispatch = append(p.Dispatch, ruleset.Dispatch{Direction: d, Addr: addr(a),
				Chain: ruleset.NewChainID(d, "default", "web-0")})
		}
	}
	p.Sort()
	return p
}

// sampleChains are a pod's chain and one that it calls.
func sampleChains(d ruleset.Direction, denial ruleset.Denial) []ruleset.Chain {
	called := ruleset.Chain{ID: ruleset.NewPeersID(d, "sample"), Direction: d,
		End: ruleset.EndGoBack}
	for _, f := range ruleset.Families {
		called.Steps = append(called.Steps,
			ruleset.Rule{Peer: ruleset.InSet(setID(ruleset.Addresses, f))},
			ruleset.Rule{Peer: ruleset.InSet(setID(ruleset.Addresses, f)), Action: ruleset.Pass})
	}
	steps := append(ruleset.Steps{ruleset.Call{Chain: called.ID}},
		ruleset.RuleSteps(sampleRules(d)...)...)
	return []ruleset.Chain{called, {ID: ruleset.NewChainID(d, "default", "web-0"), Direction: d,
		Subject: "default/web-0", Steps: steps, End: denial.End(),
		Policies: []string{"default/other", "default/sample", "team/sample"}}}
}

func setID(kind ruleset.SetKind, f ruleset.Family) ruleset.SetID {
	return ruleset.SetID{Kind: kind, Family: f, Key: ruleset.Digest("sample")}
}

// sampleSets are sets of every kind in one family.
func sampleSets(f ruleset.Family) []ruleset.Set {
	a, b, low, high := addr("10.244.1.6"), addr("10.244.2.7"), addr("10.0.0.0"),
		addr("10.9.255.255")
	zero, top := addr("0.0.0.0"), addr("255.255.255.255")
	if f == ruleset.IPv6 {
		a, b, low, high = addr("fd00:10:244:1::6"), addr("fd00:10:244:2::7"), addr("fd00::"),
			addr("fd00::ffff")
		zero, top = addr("::"), addr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")
	}
	return []ruleset.Set{
		{ID: setID(ruleset.Addresses, f), Comment: "pods app in (a,b),!x in namespaces with team=a",
			Members: []ruleset.Member{{Addr: a}, {Addr: b}}},
		{ID: setID(ruleset.AddressPorts, f), Comment: "tcp port http of all pods in all namespaces",
			Members: []ruleset.Member{
				{Addr: a, Proto: ruleset.TCP, Port: 8080}, {Addr: a, Proto: ruleset.UDP, Port: 53},
				{Addr: b, Proto: ruleset.SCTP, Port: 9}}},
		{ID: setID(ruleset.Ranges, f), Comment: "ranges", Members: []ruleset.Member{
			{Addr: zero.Next(), Last: zero.Next().Next()}, {Addr: low, Last: high},
			{Addr: top.Prev(), Last: top}}},
		{ID: ruleset.SetID{Kind: ruleset.Ranges, Family: f, Key: "all"}, Comment: "all",
			Members: []ruleset.Member{{Addr: zero, Last: top}}},
		{ID: ruleset.SetID{Kind: ruleset.Addresses, Family: f, Key: "nobody"}, Comment: "nobody"},
	}
}

func sampleRules(d ruleset.Direction) []ruleset.Rule {
	origin := []ruleset.Origin{{Policy: "default/sample", Direction: d, Rule: 0}}
	var many []ruleset.PortRange
	for port := range uint16(12) {
		many = append(many, ruleset.PortRange{First: 100 + 10*port, Last: 100 + 10*port + port%2})
	}
	rules := []ruleset.Rule{
		{Proto: ruleset.TCP, Ports: []ruleset.PortRange{{First: 80, Last: 80}}, Origins: origin},
		{Proto: ruleset.UDP, Ports: []ruleset.PortRange{{First: 53, Last: 53},
			{First: 5353, Last: 5353}}, Origins: origin},
		{Proto: ruleset.TCP, Ports: []ruleset.PortRange{{First: 8000, Last: 9000}},
			Origins: origin},
		{Proto: ruleset.SCTP, Ports: many, Origins: origin},
		{Proto: ruleset.SCTP, Origins: origin},
		{Proto: ruleset.TCP, Ports: []ruleset.PortRange{{First: 0, Last: 65535}}, Origins: origin},
		{Peer: ruleset.InPrefix(netip.MustParsePrefix("192.0.2.0/24")), Origins: origin},
		{Peer: ruleset.InPrefix(netip.MustParsePrefix("192.0.2.77/32")), Proto: ruleset.TCP,
			Origins: origin},
		{Peer: ruleset.InPrefix(netip.MustParsePrefix("0.0.0.0/0")), Proto: ruleset.UDP,
			Origins: origin},
		{Peer: ruleset.InPrefix(netip.MustParsePrefix("2001:db8::/33")), Origins: origin},
		{Peer: ruleset.InPrefix(netip.MustParsePrefix("::/0")), Proto: ruleset.UDP,
			Ports: []ruleset.PortRange{{First: 1, Last: 1}}, Origins: origin},
	}
	for _, action := range []ruleset.Action{ruleset.Deny, ruleset.Pass} {
		rules = append(rules, ruleset.Rule{Proto: ruleset.SCTP, Action: action, Origins: origin,
			Ports: []ruleset.PortRange{{First: 7, Last: 7}}})
	}
	for _, f := range ruleset.Families {
		for i, kind := range []ruleset.SetKind{ruleset.Addresses, ruleset.AddressPorts,
			ruleset.Ranges} {
			rules = append(rules, ruleset.Rule{Peer: ruleset.InSet(setID(kind, f)),
				Action: ruleset.Action(i), Origins: origin})
		}
		all := ruleset.SetID{Kind: ruleset.Ranges, Family: f, Key: "all"}
		rules = append(rules, ruleset.Rule{Peer: ruleset.InSet(all), Origins: origin})
	}
	return rules
}
