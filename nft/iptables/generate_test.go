package iptables

import (
	"fmt"
	"net/netip"
	"slices"

	"pgregory.net/rapid"

	"github.com/picket-project/picket/ruleset"
)

// programs yields programs without port maps. Names, addresses and ports come from a few, so that two
// of them have much in common, and all flows between them can be looked at.
func programs() *rapid.Generator[*ruleset.Program] {
	return rapid.Custom(func(t *rapid.T) *ruleset.Program {
		p := &ruleset.Program{Strict: rapid.Bool().Draw(t, "strict")}
		if rapid.Bool().Draw(t, "links") {
			p.Links = []string{"veth0", "veth1"}
		}
		p.Sets = rapid.SliceOfNDistinct(sets(), 3, 10, func(s ruleset.Set) ruleset.SetID {
			return s.ID
		}).Draw(t, "sets")
		called := calledChains(t, p.Sets)
		for _, d := range ruleset.Directions {
			for _, pod := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c"}),
				rapid.ID).Draw(t, "pods") {
				p.Chains = append(p.Chains, podChain(t, d, pod, p.Sets, called))
			}
		}
		for _, c := range p.Chains {
			for _, a := range rapid.SliceOfDistinct(rapid.SampledFrom(allAddrs()),
				rapid.ID).Draw(t, "subjects") {
				p.Dispatch = append(p.Dispatch, ruleset.Dispatch{Direction: c.Direction, Addr: a,
					Chain: c.ID})
			}
		}
		p.Chains = append(p.Chains, called...)
		p.Sets = append(p.Sets, fixed(t, p)...)
		p.Sort()
		p.Dispatch = slices.CompactFunc(p.Dispatch, func(a, b ruleset.Dispatch) bool {
			return a.Direction == b.Direction && a.Addr == b.Addr
		})
		return p
	})
}

// addrs are the addresses of a family: pods, one outside.
func addrs(f ruleset.Family) (list []netip.Addr) {
	for n := range 6 {
		text := fmt.Sprintf("10.244.1.%d", 5+3*n)
		if f == ruleset.IPv6 {
			text = fmt.Sprintf("fd00:10:244:1::%x", 5+3*n)
		}
		list = append(list, netip.MustParseAddr(text))
	}
	return list
}

func allAddrs() []netip.Addr {
	return slices.Concat(addrs(ruleset.IPv4), addrs(ruleset.IPv6)[:3])
}

// linkOf is the interface that an address is behind, in all programs.
func linkOf(a netip.Addr) string {
	bytes := a.AsSlice()
	return fmt.Sprintf("veth%d", bytes[len(bytes)-1]&1)
}

var ports = []uint16{53, 80, 443}

// sets draws sets of every kind that this backend can hold, with members.
func sets() *rapid.Generator[ruleset.Set] {
	return rapid.Custom(func(t *rapid.T) ruleset.Set {
		id := ruleset.SetID{
			Kind: rapid.SampledFrom([]ruleset.SetKind{ruleset.Addresses, ruleset.Addresses,
				ruleset.AddressPorts, ruleset.Ranges}).Draw(t, "kind"),
			Family: rapid.SampledFrom([]ruleset.Family{ruleset.IPv4, ruleset.IPv4,
				ruleset.IPv6}).Draw(t, "family"),
			Key: rapid.SampledFrom([]string{"x", "y"}).Draw(t, "selector"),
		}
		s := ruleset.Set{ID: id, Comment: "pods of " + id.Key}
		for _, a := range rapid.SliceOfDistinct(rapid.SampledFrom(addrs(id.Family)),
			rapid.ID).Draw(t, "members") {
			m := ruleset.Member{Addr: a}
			switch id.Kind {
			case ruleset.AddressPorts:
				m.Proto = rapid.SampledFrom(ruleset.Protocols[:2]).Draw(t, "proto")
				m.Port = rapid.SampledFrom(ports).Draw(t, "port")
			case ruleset.Ranges: // the addresses are 3 apart, so that the widest touch the next
				m.Last = a
				for range rapid.IntRange(0, 2).Draw(t, "width") {
					m.Last = m.Last.Next()
				}
			}
			s.Members = append(s.Members, m)
		}
		slices.SortFunc(s.Members, ruleset.Member.Compare)
		return s
	})
}

// fixed gives the sets that base chains look up members.
func fixed(t *rapid.T, p *ruleset.Program) []ruleset.Set {
	bound := map[string][]netip.Addr{}
	some := rapid.SliceOfDistinct(rapid.SampledFrom(allAddrs()), rapid.ID)
	for _, a := range some.Draw(t, "bound") {
		bound[linkOf(a)] = append(bound[linkOf(a)], a)
	}
	var links []ruleset.Link
	for name, list := range bound {
		p.Links = []string{"veth0", "veth1"}
		links = append(links, ruleset.Link{Name: name, Addrs: list})
	}
	all := slices.Concat(ruleset.LinkSets(links), ruleset.NodeSets(some.Draw(t, "nodes")))
	if rapid.Bool().Draw(t, "tunnels") {
		all = append(all, ruleset.TunnelSets([]ruleset.Tunnel{{Proto: ruleset.UDP, Port: 53}})...)
	}
	if p.Strict {
		known := some.Draw(t, "known")
		slices.SortFunc(known, netip.Addr.Compare)
		all = append(all, ruleset.StrictSets([]netip.Prefix{netip.MustParsePrefix(
			"10.244.1.0/28")}, known)...)
	}
	return all
}

// calledChains are chains that pods' chains call, some of which call each other.
func calledChains(t *rapid.T, sets []ruleset.Set) []ruleset.Chain {
	var list []ruleset.Chain
	for _, d := range ruleset.Directions {
		var before []ruleset.Chain
		for _, key := range []string{"one", "two"} {
			c := ruleset.Chain{ID: ruleset.NewPeersID(d, key), Direction: d,
				Steps: steps(t, d, sets, before), End: ends().Draw(t, "end")}
			before = append(before, c)
		}
		list = append(list, before...)
	}
	return list
}

func podChain(t *rapid.T, d ruleset.Direction, pod string, sets []ruleset.Set,
	called []ruleset.Chain) ruleset.Chain {
	return ruleset.Chain{ID: ruleset.NewChainID(d, "n", pod), Direction: d, Subject: "n/" + pod,
		Steps: steps(t, d, sets, called), End: ends().Draw(t, "end"),
		Policies: []string{"n/one", "o/two"}}
}

func ends() *rapid.Generator[ruleset.End] {
	return rapid.SampledFrom([]ruleset.End{ruleset.EndDrop, ruleset.EndDrop, ruleset.EndReject,
		ruleset.EndGoBack, ruleset.EndAccept, ruleset.EndAudit})
}

// steps are rules and calls of chains of the same direction.
func steps(t *rapid.T, d ruleset.Direction, sets []ruleset.Set,
	called []ruleset.Chain) (list ruleset.Steps) {
	for range rapid.IntRange(0, 4).Draw(t, "steps") {
		if rapid.IntRange(0, 3).Draw(t, "call") == 0 {
			ours := slices.DeleteFunc(slices.Clone(called), func(c ruleset.Chain) bool {
				return c.Direction != d
			})
			if len(ours) > 0 {
				list = append(list, ruleset.Call{Chain: rapid.SampledFrom(ours).Draw(t, "to").ID})
				continue
			}
		}
		list = append(list, anyRule(t, d, sets))
	}
	return list
}

func anyRule(t *rapid.T, d ruleset.Direction, sets []ruleset.Set) ruleset.Rule {
	r := ruleset.Rule{Action: rapid.SampledFrom([]ruleset.Action{ruleset.Accept, ruleset.Accept,
		ruleset.Deny, ruleset.Pass}).Draw(t, "action"), Origins: []ruleset.Origin{{
		Policy: "n/one", Direction: d}}}
	switch rapid.IntRange(0, 5).Draw(t, "peer") {
	case 0:
	case 1:
		bits := rapid.SampledFrom([]int{0, 24, 28, 30, 32}).Draw(t, "bits")
		r.Peer = ruleset.InPrefix(netip.PrefixFrom(rapid.SampledFrom(addrs(ruleset.IPv4)).Draw(t,
			"prefix"), bits))
	default:
		r.Peer = ruleset.InSet(rapid.SampledFrom(sets).Draw(t, "set").ID)
	}
	if r.Peer.Set.Kind == ruleset.AddressPorts && r.Peer.HasSet() {
		return r // the set names the ports
	}
	r.Proto = rapid.SampledFrom([]ruleset.Protocol{ruleset.AnyProtocol, ruleset.TCP,
		ruleset.UDP}).Draw(t, "proto")
	if r.Proto != ruleset.AnyProtocol && rapid.Bool().Draw(t, "ports") {
		r.Ports = rapid.SampledFrom([][]ruleset.PortRange{{{First: 80, Last: 80}},
			{{First: 53, Last: 80}}, {{First: 53, Last: 53}, {First: 100, Last: 500}}}).Draw(t,
			"ranges")
	}
	return r
}

// packets are all that can be sent between the addresses.
func packets() (list []packet) {
	for _, f := range ruleset.Families {
		for _, from := range addrs(f) {
			for _, to := range addrs(f) {
				list = append(list, packet{Flow: ruleset.Flow{From: from, To: to},
					in: linkOf(from)})
				for _, proto := range ruleset.Protocols[:2] {
					for _, port := range ports {
						list = append(list, packet{in: linkOf(from), Flow: ruleset.Flow{From: from,
							To: to, Proto: proto, Port: port}})
					}
				}
			}
		}
	}
	return list
}
