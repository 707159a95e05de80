package ruleset

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// programs yields small valid programs: sorted, without duplicates, referring only to what is
// there. The names come from a few, so that two programs have much in common.
func programs() *rapid.Generator[*Program] {
	return rapid.Custom(func(t *rapid.T) *Program {
		p := &Program{
			Node: rapid.SliceOfNDistinct(addresses(), 0, 2, rapid.ID).Draw(t, "node"),
			Links: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"cni0", "eth1", "veth2"}), 0,
				2, rapid.ID).Draw(t, "links"),
			Sets: rapid.SliceOfNDistinct(sets(), 0, 4, func(s Set) SetID {
				return s.ID
			}).Draw(t, "sets"),
		}
		p.Chains = rapid.SliceOfNDistinct(chains(p.Sets), 0, 4, func(c Chain) ChainID {
			return c.ID
		}).Draw(t, "chains")
		if len(p.Chains) > 0 {
			p.Dispatch = rapid.SliceOfNDistinct(dispatches(p.Chains), 0, 6, Dispatch.subject).Draw(
				t, "dispatch")
		}
		lookUpPorts(t, p)
		p.Sort()
		for i, c := range p.Chains {
			// Policies only allow, so what audits them denies nothing.
			if c.End == EndAudit && p.reach(c.ID, 0) != ActionsOf(Accept) {
				p.Chains[i].End = EndAccept
			}
		}
		return p
	})
}

func (d Dispatch) subject() Subject { return Subject{d.Direction, d.Addr} }

func families() *rapid.Generator[Family] { return rapid.SampledFrom(Families[:]) }

func addresses() *rapid.Generator[netip.Addr] {
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		return addressesOf(families().Draw(t, "family")).Draw(t, "address")
	})
}

// bases is where the addresses of the programs begin: 64 in each family.
var bases = map[Family]netip.Addr{IPv4: netip.MustParseAddr("10.0.0.0"),
	IPv6: netip.MustParseAddr("fd00::")}

func addressesOf(f Family) *rapid.Generator[netip.Addr] {
	return rapid.Map(rapid.IntRange(0, 63), func(n int) netip.Addr { return nth(f, n) })
}

func nth(f Family, n int) netip.Addr {
	bytes := bases[f].AsSlice()
	bytes[len(bytes)-1] += byte(n)
	a, _ := netip.AddrFromSlice(bytes)
	return a
}

// sets have a comment that belongs to their name, as a set that is made from a selector has.
func sets() *rapid.Generator[Set] {
	return rapid.Custom(func(t *rapid.T) Set {
		id := SetID{
			Kind:   rapid.SampledFrom([]SetKind{Addresses, AddressPorts, Ranges}).Draw(t, "kind"),
			Family: families().Draw(t, "family"),
			Key:    rapid.SampledFrom([]string{"a", "b-c"}).Draw(t, "key"),
		}
		return Set{ID: id, Comment: "made from " + id.Key, Members: members(id).Draw(t, "members")}
	})
}

func members(id SetID) *rapid.Generator[[]Member] {
	return rapid.Custom(func(t *rapid.T) []Member {
		if id.Kind == Ranges {
			return rangeMembers(id.Family, t)
		}
		list := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Member {
			m := Member{Addr: addressesOf(id.Family).Draw(t, "address")}
			if id.Kind == AddressPorts {
				m.Proto, m.Port = rapid.SampledFrom(Protocols[:]).Draw(t, "proto"),
					rapid.Uint16Range(1, 3).Draw(t, "port")
			}
			return m
		}), 0, 5, rapid.ID).Draw(t, "list")
		slices.SortFunc(list, Member.Compare)
		return list
	})
}

func rangeMembers(f Family, t *rapid.T) []Member {
	var list []Member
	for _, r := range spans(t, 63) {
		list = append(list, Member{Addr: nth(f, r[0]), Last: nth(f, r[1])})
	}
	return list
}

// spans yields up to three disjoint pieces of 0…top, both ends included, that do not touch.
func spans(t *rapid.T, top int) [][2]int {
	cuts := rapid.SliceOfNDistinct(rapid.IntRange(0, top+1), 0, 6, rapid.ID).Draw(t, "cuts")
	slices.Sort(cuts)
	var pieces [][2]int
	for ; len(cuts) > 1; cuts = cuts[2:] {
		pieces = append(pieces, [2]int{cuts[0], cuts[1] - 1})
	}
	return pieces
}

// ends are the ends of chains, most of which deny.
var ends = []End{EndDrop, EndReject, EndDrop, EndGoBack, EndAccept, EndAudit}

func chains(sets []Set) *rapid.Generator[Chain] {
	return rapid.Custom(func(t *rapid.T) Chain {
		d := rapid.SampledFrom(Directions[:]).Draw(t, "direction")
		namespace, pod := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "namespace"),
			rapid.SampledFrom([]string{"x", "y"}).Draw(t, "pod")
		return Chain{
			ID: NewChainID(d, namespace, pod), Direction: d, Subject: namespace + "/" + pod,
			Steps: RuleSteps(rapid.SliceOfN(rules(d, sets), 0, 3).Draw(t, "rules")...),
			End:   rapid.SampledFrom(ends).Draw(t, "end"),
			Policies: rapid.SampledFrom([][]string{nil, {"a/p"}, {"a/p", "a/q"}}).Draw(t,
				"policies"),
		}
	})
}

// lookUpPorts lets some chains look ports up and call others, and makes the chains that this leads
// to.
func lookUpPorts(t *rapid.T, p *Program) {
	pods, named := p.Chains, p.Sets
	shared, maps := map[Direction][]ChainID{}, map[Direction][]SetID{}
	for _, d := range Directions {
		for _, key := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"one", "two"}),
			rapid.ID).Draw(t, "peers") {
			c := Chain{ID: NewPeersID(d, key), Direction: d,
				End: rapid.SampledFrom([]End{EndGoBack, EndGoBack, EndDrop}).Draw(t, "end of peers")}
			for _, peer := range rapid.SliceOfN(peers(named), 1, 2).Draw(t, "peers") {
				c.Steps = append(c.Steps, Rule{Peer: peer, Action: actions().Draw(t, "action")})
			}
			shared[d] = append(shared[d], c.ID)
			p.Chains = append(p.Chains, c)
		}
		for _, proto := range rapid.SliceOfNDistinct(rapid.SampledFrom(Protocols[:]), 0, 2,
			rapid.ID).Draw(t, "protocols of ranges") {
			if len(shared[d]) > 0 {
				id := SpansID(proto, d.String())
				maps[d] = append(maps[d], id)
				p.Sets = append(p.Sets, Set{ID: id, Comment: "ranges", Members: spanMembers(t,
					proto, shared[d])})
			}
		}
	}
	for i := range pods {
		c := &p.Chains[i]
		if ids := shared[c.Direction]; len(ids) > 0 && rapid.Bool().Draw(t, "by port") {
			c.Steps = insertStep(t, c.Steps, Lookup{PortsOf(c.ID)})
			p.Sets = append(p.Sets, Set{ID: PortsOf(c.ID), Comment: "ports",
				Members: jumps(ids, c.Direction).Draw(t, "jumps")})
		}
		if rapid.Bool().Draw(t, "by ranges") {
			for _, id := range maps[c.Direction] {
				c.Steps = insertStep(t, c.Steps, Lookup{id})
			}
		}
		if ids := shared[c.Direction]; len(ids) > 0 && rapid.Bool().Draw(t, "call") {
			c.Steps = insertStep(t, c.Steps, Call{rapid.SampledFrom(ids).Draw(t, "to")})
		}
	}
}

// insertStep puts a step anywhere among others.
func insertStep(t *rapid.T, list Steps, s Step) Steps {
	return slices.Insert(slices.Clone(list), rapid.IntRange(0, len(list)).Draw(t, "place"), s)
}

// actions are more often those of policies.
func actions() *rapid.Generator[Action] {
	return rapid.SampledFrom([]Action{Accept, Accept, Deny, Pass})
}

// spanMembers are disjoint ranges of ports, some of which touch, that lead to some chains.
func spanMembers(t *rapid.T, proto Protocol, to []ChainID) (list []Member) {
	for _, s := range spans(t, 8) {
		first, last := uint16(s[0]+1), uint16(s[1]+1)
		middle := rapid.Uint16Range(first, last).Draw(t, "middle")
		for _, r := range [][2]uint16{{first, middle}, {middle + 1, last}} {
			if r[0] <= r[1] {
				list = append(list, Member{Proto: proto, Port: r[0], LastPort: r[1],
					Chain: rapid.SampledFrom(to).Draw(t, "chain"), Reason: "a/p ingress[0]"})
			}
		}
	}
	return list
}

func jumps(to []ChainID, d Direction) *rapid.Generator[[]Member] {
	one := rapid.Custom(func(t *rapid.T) Member {
		return Member{
			Proto: rapid.SampledFrom(Protocols[:]).Draw(t, "proto"), Port: rapid.Uint16Range(1,
				4).Draw(t, "port"),
			Chain:  rapid.SampledFrom(to).Draw(t, "chain"),
			Reason: ReasonOf([]Origin{{"a/p", d, rapid.IntRange(0, 2).Draw(t, "rule")}}),
		}
	})
	port := func(m Member) Member { return Member{Proto: m.Proto, Port: m.Port} }
	return rapid.Map(rapid.SliceOfNDistinct(one, 0, 4, port), func(list []Member) []Member {
		slices.SortFunc(list, Member.Compare)
		return list
	})
}

func rules(d Direction, sets []Set) *rapid.Generator[Rule] {
	return rapid.Custom(func(t *rapid.T) Rule {
		r := Rule{Peer: peers(sets).Draw(t, "peer"),
			Proto:  rapid.SampledFrom([]Protocol{AnyProtocol, TCP, UDP}).Draw(t, "proto"),
			Action: actions().Draw(t, "action")}
		if r.Proto != AnyProtocol {
			for _, s := range spans(t, 8) {
				r.Ports = append(r.Ports, PortRange{uint16(s[0]), uint16(s[1])})
			}
		}
		r.Origins = rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Origin {
			return Origin{rapid.SampledFrom([]string{"a/p", "a/q"}).Draw(t, "policy"), d,
				rapid.IntRange(0, 2).Draw(t, "index")}
		}), 1, 2, rapid.ID).Draw(t, "origins")
		slices.SortFunc(r.Origins, Origin.Compare)
		return r
	})
}

func peers(sets []Set) *rapid.Generator[Peer] {
	return rapid.Custom(func(t *rapid.T) Peer {
		switch choice := rapid.IntRange(0, 2).Draw(t, "kind of peer"); {
		case choice == 0 && len(sets) > 0:
			return InSet(rapid.SampledFrom(sets).Draw(t, "set").ID)
		case choice == 1:
			a := addresses().Draw(t, "address")
			return InPrefix(netip.PrefixFrom(a, rapid.IntRange(0, a.BitLen()).Draw(t, "bits")))
		default:
			return Peer{}
		}
	})
}

func dispatches(chains []Chain) *rapid.Generator[Dispatch] {
	return rapid.Custom(func(t *rapid.T) Dispatch {
		c := rapid.SampledFrom(chains).Draw(t, "chain")
		return Dispatch{c.Direction, addresses().Draw(t, "address"), c.ID}
	})
}

// equalValues compares programs and deltas; an empty list is the same as none.
var equalValues = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{},
	netip.Prefix{})}

func TestGeneratorKeepsItsPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		if err := valid(programs().Draw(t, "program")); err != nil {
			t.Fatal(err)
		}
	})
}

// valid carries a program into an empty kernel, which refuses duplicates and whatever is not there.
func valid(p *Program) error {
	for _, s := range p.Sets {
		if !slices.IsSortedFunc(s.Members, Member.Compare) {
			return fmt.Errorf("%s is not sorted", s.ID)
		}
	}
	return new(Memory).Apply(context.Background(), Diff(Observed{}, p))
}
