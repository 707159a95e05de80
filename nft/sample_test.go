package nft

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// sample is a program with every kind of set, chain, peer and port in both families and directions.
func sample(denial ruleset.Denial) *ruleset.Program {
	p := &ruleset.Program{Links: []string{"cni0"}}
	p.Sets = slices.Concat(
		ruleset.LinkSets([]ruleset.Link{{Name: "cni0", Addrs: []netip.Addr{addr("10.244.1.5"),
			addr("fd00:10:244:1::5")}}}),
		ruleset.NodeSets([]netip.Addr{addr("192.0.2.11"), addr("fd77::11")}),
		ruleset.TunnelSets([]ruleset.Tunnel{{Proto: ruleset.UDP, Port: 8472}}))
	for _, f := range ruleset.Families {
		p.Sets = append(p.Sets, sampleSets(f)...)
	}
	for _, d := range ruleset.Directions {
		id := ruleset.NewChainID(d, "default", "web-0")
		peers := ruleset.Chain{ID: ruleset.ChainID("peers/" + d.String() + "-sample"), Direction: d,
			End: ruleset.EndGoBack}
		for _, f := range ruleset.Families {
			peers.Steps = append(peers.Steps,
				ruleset.Rule{Peer: ruleset.InSet(setID(ruleset.Addresses, f))})
		}
		p.Chains = append(p.Chains, peers,
			ruleset.Chain{ID: id, Direction: d, Subject: "default/web-0", Steps: sampleSteps(d),
				End: denial.End(), Policies: samplePolicies()})
		for _, spans := range sampleSpans(d) {
			p.Sets = append(p.Sets, ruleset.Set{ID: spans, Comment: "ranges of ports",
				Members: []ruleset.Member{
					{Proto: spans.Protocol(), Port: 1, LastPort: 1, Chain: peers.ID,
						Reason: ruleset.Reason("default/sample " + d.String() + "[3]")},
					{Proto: spans.Protocol(), Port: 2, LastPort: 63, Chain: peers.ID,
						Reason: ruleset.Reason("default/sample " + d.String() + "[4]")},
					{Proto: spans.Protocol(), Port: 9000, LastPort: 65535, Chain: peers.ID,
						Reason: ruleset.Reason("default/sample " + d.String() + "[5]")}}})
		}
		p.Sets = append(p.Sets, ruleset.Set{ID: ruleset.PortsOf(id),
			Comment: "ports of default/web-0", Members: []ruleset.Member{
				{Proto: ruleset.TCP, Port: 7000, Chain: peers.ID,
					Reason: ruleset.Reason("default/sample " + d.String() + "[1]")},
				{Proto: ruleset.UDP, Port: 65535, Chain: peers.ID,
					Reason: ruleset.Reason("default/sample " + d.String() + "[2], default/other " +
						d.String() + "[0]")}}})
		for _, a := range []string{"10.244.1.5", "fd00:10:244:1::5"} {
			p.Dispatch = append(p.Dispatch, ruleset.Dispatch{Direction: d, Addr: addr(a),
				Chain: id})
		}
	}
	p.Sort()
	return p
}

func samplePolicies() []string { return []string{"default/other", "default/sample", "team/sample"} }

// sampleSteps look ports up, and then try rules with all actions.
func sampleSteps(d ruleset.Direction) ruleset.Steps {
	steps := ruleset.Steps{
		ruleset.Lookup{Set: ruleset.PortsOf(ruleset.NewChainID(d, "default", "web-0"))}}
	for _, id := range sampleSpans(d) {
		steps = append(steps, ruleset.Lookup{Set: id})
	}
	return append(steps, ruleset.RuleSteps(sampleRules(d)...)...)
}

func sampleSpans(d ruleset.Direction) (ids []ruleset.SetID) {
	for _, proto := range ruleset.Protocols {
		ids = append(ids, ruleset.SpansID(proto, "sample "+d.String()))
	}
	return ids
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func setID(kind ruleset.SetKind, f ruleset.Family) ruleset.SetID {
	return ruleset.SetID{Kind: kind, Family: f, Key: ruleset.Digest("sample")}
}

// sampleSets are sets of every kind in one family.
func sampleSets(f ruleset.Family) []ruleset.Set {
	a, b, low, high, top := addr("10.244.1.6"), addr("10.244.2.7"), addr("10.0.0.0"),
		addr("10.9.255.255"), addr("255.255.255.255")
	zero := addr("0.0.0.0")
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
			{Addr: zero, Last: zero.Next()}, {Addr: low, Last: high},
			{Addr: top.Prev(), Last: top}}},
		{ID: ruleset.SetID{Kind: ruleset.Addresses, Family: f, Key: "nobody"}, Comment: "nobody"},
	}
}

func sampleRules(d ruleset.Direction) []ruleset.Rule {
	origin := []ruleset.Origin{{Policy: "default/sample", Direction: d, Rule: 0}}
	rules := []ruleset.Rule{
		{Proto: ruleset.TCP, Ports: []ruleset.PortRange{{First: 80, Last: 80}}, Origins: origin},
		{Proto: ruleset.UDP, Ports: []ruleset.PortRange{{First: 53, Last: 53},
			{First: 5353, Last: 5353}}, Origins: origin},
		{Proto: ruleset.TCP, Ports: []ruleset.PortRange{{First: 8000, Last: 9000}},
			Origins: origin},
		{Proto: ruleset.TCP, Ports: []ruleset.PortRange{{First: 1, Last: 2},
			{First: 443, Last: 443}, {First: 60000, Last: 65535}}, Origins: origin},
		{Proto: ruleset.SCTP, Origins: origin},
		{Peer: ruleset.InPrefix(netip.MustParsePrefix("192.0.2.0/24")), Origins: origin},
		{Peer: ruleset.InPrefix(netip.MustParsePrefix("172.16.0.0/12")), Proto: ruleset.TCP,
			Origins: origin},
		{Peer: ruleset.InPrefix(netip.MustParsePrefix("192.0.2.77/32")), Origins: origin},
		{Peer: ruleset.InPrefix(netip.MustParsePrefix("0.0.0.0/0")), Proto: ruleset.UDP,
			Origins: origin},
		{Peer: ruleset.InPrefix(netip.MustParsePrefix("2001:db8::/33")), Origins: origin},
		{Peer: ruleset.InPrefix(netip.MustParsePrefix("2001:db8::1/128")), Origins: origin},
		{Peer: ruleset.InPrefix(netip.MustParsePrefix("::/0")), Proto: ruleset.UDP,
			Ports: []ruleset.PortRange{{First: 1, Last: 1}}, Origins: origin},
	}
	for _, action := range []ruleset.Action{ruleset.Deny, ruleset.Pass} {
		rules = append(rules, ruleset.Rule{Proto: ruleset.SCTP, Action: action, Origins: origin,
			Ports: []ruleset.PortRange{{First: 7, Last: 7}}})
	}
	for _, f := range ruleset.Families {
		for _, kind := range []ruleset.SetKind{ruleset.Addresses, ruleset.AddressPorts,
			ruleset.Ranges} {
			rules = append(rules, ruleset.Rule{Peer: ruleset.InSet(setID(kind, f)),
				Origins: origin})
		}
	}
	return rules
}
