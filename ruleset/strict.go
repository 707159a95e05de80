package ruleset

import (
	"net/netip"
	"slices"
)

// A strict program denies, in both directions, the addresses of its node's pod range that no
// known pod has: those of pods that have started and that the controller has not heard of yet.
// What is what stands in two sets of each family, which a strict program always has.

// LocalRange names the set of this node's pod ranges (Node.spec.podCIDRs).
func LocalRange(f Family) SetID { return SetID{Kind: Ranges, Family: f, Key: "local"} }

// KnownPods names the set of the addresses of this node's pods.
func KnownPods(f Family) SetID { return SetID{Kind: Addresses, Family: f, Key: "known"} }

// IsKnownPods reports whether a set is one of KnownPods.
func (id SetID) IsKnownPods() bool { return id == KnownPods(id.Family) }

// StrictSets returns the four sets; ranges are those of the node, disjoint, addrs those of its
// pods.
func StrictSets(ranges []netip.Prefix, addrs []netip.Addr) []Set {
	var sets []Set
	for _, f := range Families {
		local := Set{ID: LocalRange(f), Comment: "addresses of this node's pods"}
		known := Set{ID: KnownPods(f), Comment: "those that a known pod has"}
		for _, p := range ranges {
			if FamilyOf(p.Addr()) == f {
				local.Members = append(local.Members,
					Member{Addr: RangeOf(p).First, Last: RangeOf(p).Last})
			}
		}
		for _, a := range addrs {
			if FamilyOf(a) == f {
				known.Members = append(known.Members, Member{Addr: a})
			}
		}
		sets = append(sets, local, known)
	}
	return sets
}

// unknown reports whether an address is one that a strict program denies.
func (p *Program) unknown(a netip.Addr) bool {
	f := FamilyOf(a)
	return p.Strict && p.set(LocalRange(f)).holds(a, 0, 0) && !p.set(KnownPods(f)).holds(a, 0, 0)
}

// KeepingUnknown returns a delta that makes no more pods of a strict program known.
func (d Delta) KeepingUnknown() Delta {
	d.AddMembers = slices.DeleteFunc(slices.Clone(d.AddMembers),
		func(m Members) bool { return m.Set.IsKnownPods() })
	d.AddSets = slices.Clone(d.AddSets)
	for i := range d.AddSets {
		if d.AddSets[i].ID.IsKnownPods() {
			d.AddSets[i].Members = nil
		}
	}
	return d
}
