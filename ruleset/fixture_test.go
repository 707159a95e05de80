package ruleset

import "net/netip"

func addr(s string) netip.Addr     { return netip.MustParseAddr(s) }
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func rangeMember(first, last string) Member { return Member{Addr: addr(first), Last: addr(last)} }

// The sets of fixture.
var (
	web     = SetID{Addresses, IPv4, "web"}
	metrics = SetID{AddressPorts, IPv4, "metrics"}
	blocks4 = SetID{Ranges, IPv4, "blocks"}
	blocks6 = SetID{Ranges, IPv6, "blocks"}
)

// fixture is one pod, default/db-0 at 10.0.0.5 and fd00::5, isolated in both directions.
func fixture() *Program {
	p := &Program{
		Node:  []netip.Addr{addr("192.168.0.1"), addr("fd00::1")},
		Links: []string{"cni0"},
		Sets: []Set{
			{ID: web, Comment: "pods app=web in namespace default",
				Members: []Member{{Addr: addr("10.0.1.2")}, {Addr: addr("10.0.1.3")}}},
			{ID: metrics, Comment: "tcp port metrics of pods app=web", Members: []Member{
				{Addr: addr("10.0.1.2"), Proto: TCP, Port: 9100}, {Addr: addr("10.0.1.2"),
					Proto: UDP, Port: 9100}}},
			{ID: blocks4, Comment: "blocks", Members: []Member{
				rangeMember("0.0.0.0", "0.255.255.255"), rangeMember("172.16.0.0", "172.16.0.9"),
				rangeMember("172.16.0.11", "172.16.0.11"), rangeMember("255.255.255.255",
					"255.255.255.255")}},
			{ID: blocks6, Comment: "blocks", Members: []Member{
				rangeMember("::", "::ffff"), rangeMember("2001:db8::", "2001:db8::ffff")}},
		},
		Chains: []Chain{
			{ID: "egress/default/db-0", Direction: Egress, Subject: "default/db-0", Steps: Steps{
				Rule{Proto: UDP, Ports: []PortRange{{53, 53}},
					Origins: []Origin{{"default/dns", Egress, 0}}}}},
			{ID: "ingress/default/db-0", Direction: Ingress, Subject: "default/db-0",
				Steps: RuleSteps(fixtureRules()...), End: EndReject,
				Policies: []string{"default/db", "default/web"}},
		},
	}
	for _, c := range p.Chains {
		for _, a := range []string{"10.0.0.5", "fd00::5"} {
			p.Dispatch = append(p.Dispatch, Dispatch{c.Direction, addr(a), c.ID})
		}
	}
	p.Sort()
	return p
}

func fixtureRules() []Rule {
	from := func(policy string, index int) Origin { return Origin{policy, Ingress, index} }
	return []Rule{
		{Peer: InSet(web), Proto: TCP, Ports: []PortRange{{5432, 5432}, {6000, 6010}},
			Origins: []Origin{from("default/db", 0), from("default/web", 1)}},
		{Peer: InSet(metrics), Origins: []Origin{from("default/db", 1)}},
		{Peer: InSet(blocks4), Proto: SCTP, Origins: []Origin{from("default/db", 2)}},
		{Peer: InSet(blocks6), Proto: SCTP, Origins: []Origin{from("default/db", 2)}},
		{Peer: InPrefix(prefix("198.51.100.0/24")), Proto: UDP,
			Origins: []Origin{from("default/db", 3)}},
		{Peer: InPrefix(prefix("10.0.0.5/32")), Origins: []Origin{{}}},
	}
}
