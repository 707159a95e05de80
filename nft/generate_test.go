package nft

import (
	"net/netip"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/picket-project/picket/ruleset"
)

// programs yields valid programs of the shapes that the compiler makes.
func programs() *rapid.Generator[*ruleset.Program] {
	return rapid.Custom(func(t *rapid.T) *ruleset.Program {
		p := podPrograms().Draw(t, "program")
		if p.Strict = rapid.Bool().Draw(t, "strict"); p.Strict {
			known := rapid.SliceOfNDistinct(addresses(ruleset.IPv4), 0, 5, rapid.ID).Draw(t,
				"known")
			slices.SortFunc(known, netip.Addr.Compare)
			ranges := []netip.Prefix{netip.MustParsePrefix("10.244.0.0/24")}
			p.Sets = append(p.Sets, ruleset.StrictSets(ranges, known)...)
		}
		if rapid.Bool().Draw(t, "places") {
			p.Sets = append(p.Sets, fixedSets(t)...)
		}
		p.Sort()
		return p
	})
}

// podPrograms yields programs that are not strict and have no fixed sets. Names and members come
// from a few, so that two programs have much in common.
func podPrograms() *rapid.Generator[*ruleset.Program] {
	return rapid.Custom(func(t *rapid.T) *ruleset.Program {
		links := rapid.SampledFrom([]string{"cni0", "br-0123456789a", "veth.1", "eth1"})
		p := &ruleset.Program{
			Links: rapid.SliceOfNDistinct(links, 0, 3, rapid.ID).Draw(t, "links"),
			Sets: rapid.SliceOfNDistinct(sets(), 3, 9, func(s ruleset.Set) ruleset.SetID {
				return s.ID
			}).Draw(t, "sets"),
		}
		p.Chains = rapid.SliceOfNDistinct(chains(p.Sets), 1, 6,
			func(c ruleset.Chain) ruleset.ChainID {
				return c.ID
			}).Draw(t, "chains")
		p.Dispatch = rapid.SliceOfNDistinct(assignments(p.Chains), 2, 12,
			func(d ruleset.Dispatch) ruleset.Subject {
				return ruleset.Subject{Direction: d.Direction, Addr: d.Addr}
			}).Draw(t, "dispatch")
		lookUpPorts(t, p)
		p.Sort()
		return p
	})
}

// fixedSets gives the fixed sets members.
func fixedSets(t *rapid.T) []ruleset.Set {
	var links []ruleset.Link
	for _, name := range []string{"cni0", "br-0123456789a"} {
		for _, f := range ruleset.Families {
			links = append(links, ruleset.Link{Name: name, Addrs: rapid.SliceOfN(addresses(f), 0,
				4).Draw(t, "behind")})
		}
	}
	nodes := rapid.SliceOfN(addresses(ruleset.IPv4), 0, 3).Draw(t, "nodes")
	ports := rapid.SliceOfN(rapid.SampledFrom([]uint16{8472, 6081, 4789}), 0, 3).Draw(t, "tunnels")
	var at []ruleset.Tunnel
	for _, port := range ports {
		at = append(at, ruleset.Tunnel{Proto: ruleset.UDP, Port: port})
	}
	return slices.Concat(ruleset.LinkSets(links), ruleset.NodeSets(nodes), ruleset.TunnelSets(at))
}

// firstAddress is where the addresses of the programs begin; the last of each family is also
// among them.
var firstAddress = map[ruleset.Family]netip.Addr{ruleset.IPv4: addr("10.244.0.0"),
	ruleset.IPv6: addr("fd00:10:244::")}

// nth is one of 64 addresses, the last of which is the last of all.
func nth(f ruleset.Family, n int) netip.Addr {
	bytes := firstAddress[f].AsSlice()
	if n == 63 {
		return ruleset.RangeOf(netip.PrefixFrom(firstAddress[f], 0)).Last
	}
	bytes[len(bytes)-1] += byte(n)
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

func addresses(f ruleset.Family) *rapid.Generator[netip.Addr] {
	return rapid.Map(rapid.IntRange(0, 63), func(n int) netip.Addr { return nth(f, n) })
}

// sets draws sets of every kind, with members.
func sets() *rapid.Generator[ruleset.Set] {
	return rapid.Custom(func(t *rapid.T) ruleset.Set {
		id := ruleset.SetID{
			Kind: rapid.SampledFrom([]ruleset.SetKind{ruleset.Addresses, ruleset.AddressPorts,
				ruleset.Ranges}).Draw(t, "kind"),
			Family: rapid.SampledFrom(ruleset.Families[:]).Draw(t, "family"),
			Key: ruleset.Digest(rapid.SampledFrom([]string{"app=web", "app in (a,b)",
				"!x"}).Draw(t, "selector")),
		}
		// some are too long for the kernel
		comment := strings.Repeat("made from "+id.Key+", ", 1+int(id.Key[0])%6)
		return ruleset.Set{ID: id, Comment: comment, Members: members(id).Draw(t, "members")}
	})
}

func members(id ruleset.SetID) *rapid.Generator[[]ruleset.Member] {
	one := rapid.Custom(func(t *rapid.T) ruleset.Member {
		m := ruleset.Member{Addr: addresses(id.Family).Draw(t, "address")}
		if id.Kind == ruleset.AddressPorts {
			m.Proto = rapid.SampledFrom(ruleset.Protocols[:]).Draw(t, "proto")
			m.Port = rapid.SampledFrom([]uint16{1, 53, 8080, 65535}).Draw(t, "port")
		}
		return m
	})
	return rapid.Custom(func(t *rapid.T) []ruleset.Member {
		var list []ruleset.Member
		if id.Kind != ruleset.Ranges {
			list = rapid.SliceOfNDistinct(one, 0, 12, rapid.ID).Draw(t, "list")
		} else {
			for _, r := range spans(t, 63) {
				list = append(list, ruleset.Member{Addr: nth(id.Family, r[0]),
					Last: nth(id.Family, r[1])})
			}
		}
		slices.SortFunc(list, ruleset.Member.Compare)
		return list
	})
}

// spans yields disjoint pieces of 0…top, both ends included, that do not touch.
func spans(t *rapid.T, top int) [][2]int {
	cuts := rapid.SliceOfNDistinct(rapid.IntRange(0, top+1), 0, 12, rapid.ID).Draw(t, "cuts")
	slices.Sort(cuts)
	var pieces [][2]int
	for ; len(cuts) > 1; cuts = cuts[2:] {
		pieces = append(pieces, [2]int{cuts[0], cuts[1] - 1})
	}
	return pieces
}

func chains(sets []ruleset.Set) *rapid.Generator[ruleset.Chain] {
	names := []string{"web-0", "dns.v1", "0", strings.Repeat("long-", 40)}
	return rapid.Custom(func(t *rapid.T) ruleset.Chain {
		d := rapid.SampledFrom(ruleset.Directions[:]).Draw(t, "direction")
		pod := rapid.SampledFrom(names).Draw(t, "pod")
		return ruleset.Chain{
			ID: ruleset.NewChainID(d, "default", pod), Direction: d, Subject: "default/" + pod,
			Steps: ruleset.RuleSteps(rapid.SliceOfN(rules(d, sets), 0, 8).Draw(t, "rules")...),
			End: rapid.SampledFrom([]ruleset.End{ruleset.EndDrop, ruleset.EndReject,
				ruleset.EndDrop, ruleset.EndAccept, ruleset.EndGoBack, ruleset.EndAudit}).Draw(t, "end"),
			Policies: rapid.SampledFrom([][]string{
				nil, {"default/a"}, {"default/a", "default/b", "x/c"},
				{"x/" + strings.Repeat("p", 200)},
				{"default/" + strings.Repeat("p", 60), "x/" + strings.Repeat("q", 60)},
			}).Draw(t, "policies"),
		}
	})
}

// lookUpPorts lets some chains look ports up, and makes the chains of peers that this leads to.
func lookUpPorts(t *rapid.T, p *ruleset.Program) {
	pods, named := p.Chains, p.Sets
	shared, maps := map[ruleset.Direction][]ruleset.ChainID{},
		map[ruleset.Direction][]ruleset.SetID{}
	for _, d := range ruleset.Directions {
		for _, key := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"one", "two"}),
			rapid.ID).Draw(t, "peers") {
			c := ruleset.Chain{ID: ruleset.NewPeersID(d, key), Direction: d, End: ruleset.EndGoBack}
			for _, peer := range rapid.SliceOfN(peers(named), 0, 3).Draw(t, "peers") {
				c.Steps = append(c.Steps, ruleset.Rule{Peer: peer,
					Action: actions().Draw(t, "action")})
			}
			shared[d] = append(shared[d], c.ID)
			p.Chains = append(p.Chains, c)
		}
		for _, proto := range rapid.SliceOfNDistinct(rapid.SampledFrom(ruleset.Protocols[:]), 0, 3,
			rapid.ID).Draw(t, "protocols of ranges") {
			if len(shared[d]) > 0 {
				id := ruleset.SpansID(proto, d.String())
				maps[d] = append(maps[d], id)
				p.Sets = append(p.Sets, ruleset.Set{ID: id, Comment: "ranges",
					Members: spanMembers(t, proto, shared[d])})
			}
		}
	}
	for i := range pods {
		c := &p.Chains[i]
		if ids := shared[c.Direction]; len(ids) > 0 && rapid.Bool().Draw(t, "by port") {
			c.Steps = insertStep(t, c.Steps, ruleset.Lookup{Set: ruleset.PortsOf(c.ID)})
			p.Sets = append(p.Sets, ruleset.Set{ID: ruleset.PortsOf(c.ID), Comment: "ports of " +
				c.Subject, Members: jumps(ids, c.Direction).Draw(t, "jumps")})
		}
		if rapid.Bool().Draw(t, "by ranges") {
			for _, id := range maps[c.Direction] {
				c.Steps = insertStep(t, c.Steps, ruleset.Lookup{Set: id})
			}
		}
		if ids := shared[c.Direction]; len(ids) > 0 && rapid.Bool().Draw(t, "call") {
			c.Steps = insertStep(t, c.Steps, ruleset.Call{Chain: rapid.SampledFrom(ids).Draw(t,
				"to")})
		}
	}
}

// insertStep puts a step anywhere among others.
func insertStep(t *rapid.T, list ruleset.Steps, s ruleset.Step) ruleset.Steps {
	return slices.Insert(slices.Clone(list), rapid.IntRange(0, len(list)).Draw(t, "place"), s)
}

// actions are more often those of policies.
func actions() *rapid.Generator[ruleset.Action] {
	return rapid.SampledFrom([]ruleset.Action{ruleset.Accept, ruleset.Accept, ruleset.Deny,
		ruleset.Pass})
}

// spanMembers are disjoint ranges of ports, some of which touch, that lead to some chains.
func spanMembers(t *rapid.T, proto ruleset.Protocol, to []ruleset.ChainID) (list []ruleset.Member) {
	for _, s := range spans(t, 65534) {
		first, last := uint16(s[0]+1), uint16(s[1]+1)
		middle := rapid.Uint16Range(first, last).Draw(t, "middle")
		for _, r := range [][2]int{{int(first), int(middle)}, {int(middle) + 1, int(last)}} {
			if r[0] <= r[1] {
				list = append(list, ruleset.Member{
					Proto: proto, Port: uint16(r[0]), LastPort: uint16(r[1]),
					Chain: rapid.SampledFrom(to).Draw(t, "chain"), Reason: "a/p ingress[0]",
				})
			}
		}
	}
	return list
}

// jumps draws members that lead ports to chains.
func jumps(to []ruleset.ChainID, d ruleset.Direction) *rapid.Generator[[]ruleset.Member] {
	one := rapid.Custom(func(t *rapid.T) ruleset.Member {
		return ruleset.Member{
			Proto:  rapid.SampledFrom(ruleset.Protocols[:]).Draw(t, "proto"),
			Port:   rapid.SampledFrom([]uint16{1, 2, 3, 4, 53, 65535}).Draw(t, "port"),
			Chain:  rapid.SampledFrom(to).Draw(t, "chain"),
			Reason: ruleset.ReasonOf(origins(d).Draw(t, "origins")),
		}
	})
	port := func(m ruleset.Member) ruleset.Member {
		return ruleset.Member{Proto: m.Proto, Port: m.Port}
	}
	return rapid.Map(rapid.SliceOfNDistinct(one, 0, 12, port),
		func(list []ruleset.Member) []ruleset.Member {
			return slices.SortedFunc(slices.Values(list), ruleset.Member.Compare)
		})
}

func rules(d ruleset.Direction, sets []ruleset.Set) *rapid.Generator[ruleset.Rule] {
	return rapid.Custom(func(t *rapid.T) ruleset.Rule {
		r := ruleset.Rule{Peer: peers(sets).Draw(t, "peer"), Origins: origins(d).Draw(t, "origins"),
			Action: actions().Draw(t, "action")}
		if r.Peer.Set.Kind == ruleset.AddressPorts && r.Peer.HasSet() {
			return r // the set names the ports
		}
		r.Proto = rapid.SampledFrom([]ruleset.Protocol{ruleset.AnyProtocol, ruleset.TCP,
			ruleset.UDP, ruleset.SCTP}).Draw(t, "proto")
		if r.Proto != ruleset.AnyProtocol {
			for _, s := range spans(t, 65535) {
				r.Ports = append(r.Ports, ruleset.PortRange{First: uint16(s[0]),
					Last: uint16(s[1])})
			}
		}
		return r
	})
}

// origins draws where a rule comes from, sorted.
func origins(d ruleset.Direction) *rapid.Generator[[]ruleset.Origin] {
	one := rapid.Custom(func(t *rapid.T) ruleset.Origin {
		policy := rapid.SampledFrom([]string{"default/a", "kube-system/allow-dns.v2", "x/" +
			strings.Repeat("p", 60)}).Draw(t, "policy")
		return ruleset.Origin{Policy: policy, Direction: d, Rule: rapid.IntRange(0, 11).Draw(t,
			"rule")}
	})
	return rapid.Map(rapid.SliceOfNDistinct(one, 1, 4, rapid.ID),
		func(list []ruleset.Origin) []ruleset.Origin {
			return slices.SortedFunc(slices.Values(list), ruleset.Origin.Compare)
		})
}

// peers draws sets, prefixes, or everybody.
func peers(sets []ruleset.Set) *rapid.Generator[ruleset.Peer] {
	return rapid.Custom(func(t *rapid.T) ruleset.Peer {
		switch choice := rapid.IntRange(0, 3).Draw(t, "kind of peer"); {
		case choice < 2 && len(sets) > 0:
			return ruleset.InSet(rapid.SampledFrom(sets).Draw(t, "set").ID)
		case choice == 2:
			f := rapid.SampledFrom(ruleset.Families[:]).Draw(t, "family")
			return ruleset.InPrefix(netip.PrefixFrom(addresses(f).Draw(t, "address"),
				rapid.IntRange(0, f.Bits()).Draw(t, "bits")))
		default:
			return ruleset.Peer{}
		}
	})
}

// assignments draws which address is led to which chain.
func assignments(chains []ruleset.Chain) *rapid.Generator[ruleset.Dispatch] {
	return rapid.Custom(func(t *rapid.T) ruleset.Dispatch {
		c := rapid.SampledFrom(chains).Draw(t, "chain")
		f := rapid.SampledFrom(ruleset.Families[:]).Draw(t, "family")
		return ruleset.Dispatch{Direction: c.Direction, Addr: addresses(f).Draw(t, "address"),
			Chain: c.ID}
	})
}
