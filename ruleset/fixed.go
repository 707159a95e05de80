package ruleset

import (
	"net/netip"
	"slices"
)

// Fixed sets are there whatever the program is, because the base chains look addresses up in
// them. A program lists those of them that have members; to a backend an absent one is an empty
// one.

// Behind names the set of the interfaces and addresses of this node's pods: each pod's packets
// come in by that interface.
func Behind(f Family) SetID { return SetID{Kind: LinkAddresses, Family: f, Key: "behind"} }

// Bound names the set of the addresses in Behind: they come in by their own interface only.
func Bound(f Family) SetID { return SetID{Kind: Addresses, Family: f, Key: "bound"} }

// NodeAddrs names the set of the addresses by which pods reach the nodes themselves: those of
// Node.status.addresses, and those of tunnels and bridges in their pod ranges.
func NodeAddrs(f Family) SetID { return SetID{Kind: Addresses, Family: f, Key: "nodes"} }

// TunnelPorts names the set of the protocols and ports at which a node unpacks what a tunnel
// carries.
func TunnelPorts() SetID { return SetID{Kind: ProtoPorts, Key: "tunnels"} }

// FixedSets returns the fixed sets without members.
func FixedSets() []Set {
	var sets []Set
	for _, f := range Families {
		sets = append(sets,
			Set{ID: Behind(f),
				Comment: "interfaces of this node's pods, with the addresses behind them"},
			Set{ID: Bound(f), Comment: "addresses that come in by their own interface only"},
			Set{ID: NodeAddrs(f), Comment: "addresses of nodes"})
	}
	return append(sets, Set{ID: TunnelPorts(), Comment: "where nodes unpack tunnels"})
}

// Fixed reports whether the set is there whatever the program is.
func (id SetID) Fixed() bool {
	return id == Behind(id.Family) || id == Bound(id.Family) || id == NodeAddrs(id.Family) ||
		id == TunnelPorts()
}

// Link is an interface of the node by which packets of its pods come in.
type Link struct {
	Name  string
	Addrs []netip.Addr // of pods that are behind it and whose packets come in by no other
	// a bridge that others are on, too, such as the router of the network outside
	Shared bool
}

// Tunnel is a protocol and port at which this node unpacks what a tunnel carries.
type Tunnel struct {
	Proto Protocol
	Port  uint16
}

// LinkSets returns the members of Behind and Bound of both families, sorted; sets without any are
// left out.
func LinkSets(links []Link) []Set {
	var sets []Set
	for _, f := range Families {
		behind, bound := Set{ID: Behind(f)}, Set{ID: Bound(f)}
		for _, l := range links {
			for _, a := range l.Addrs {
				if FamilyOf(a) == f {
					behind.Members = append(behind.Members, Member{Link: l.Name, Addr: a})
					bound.Members = append(bound.Members, Member{Addr: a})
				}
			}
		}
		sets = append(sets, behind, bound)
	}
	return filled(sets)
}

// NodeSets returns the members of NodeAddrs of both families, sorted; sets without any are left
// out.
func NodeSets(addrs []netip.Addr) []Set {
	var sets []Set
	for _, f := range Families {
		s := Set{ID: NodeAddrs(f)}
		for _, a := range addrs {
			if FamilyOf(a) == f {
				s.Members = append(s.Members, Member{Addr: a})
			}
		}
		sets = append(sets, s)
	}
	return filled(sets)
}

// TunnelSets returns the members of TunnelPorts, sorted; without tunnels there is no set.
func TunnelSets(tunnels []Tunnel) []Set {
	s := Set{ID: TunnelPorts()}
	for _, t := range tunnels {
		s.Members = append(s.Members, Member{Proto: t.Proto, Port: t.Port})
	}
	return filled([]Set{s})
}

// filled keeps the sets that have members, sorted and without duplicates, with the comments of
// FixedSets.
func filled(sets []Set) []Set {
	fixed := FixedSets()
	var kept []Set
	for _, s := range sets {
		if len(s.Members) == 0 {
			continue
		}
		slices.SortFunc(s.Members, Member.Compare)
		s.Members = slices.Compact(s.Members)
		s.Comment = fixed[slices.IndexFunc(fixed, func(o Set) bool { return o.ID == s.ID })].Comment
		kept = append(kept, s)
	}
	return kept
}

// tunnelled reports whether a flow goes from a pod of this node to a port at which a node unpacks
// a tunnel: what is in it would arrive as somebody else's.
func (p *Program) tunnelled(f Flow) bool {
	from, to := Member{Addr: f.From}, Member{Addr: f.To}
	if !p.set(Bound(FamilyOf(f.From))).has(from) || !p.set(NodeAddrs(FamilyOf(f.To))).has(to) {
		return false
	}
	return p.set(TunnelPorts()).has(Member{Proto: f.Proto, Port: f.Port})
}

// has reports whether a set has exactly this member.
func (s Set) has(m Member) bool {
	_, found := slices.BinarySearchFunc(s.Members, m, Member.Compare)
	return found
}
