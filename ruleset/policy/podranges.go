package policy

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Ranges knows the ranges that the addresses of each node's pods come from (Node.spec.podCIDRs). The zero value knows
// none.
type Ranges struct {
	of      map[string][]netip.Prefix // by node
	nodes   map[netip.Prefix][]string // by range
	lengths map[length]int            // how many ranges have each
}

// length is the number of bits of a range of one family.
type length struct {
	family ruleset.Family
	bits   int
}

func lengthOf(p netip.Prefix) length { return length{ruleset.FamilyOf(p.Addr()), p.Bits()} }

// NewRanges returns the ranges of these nodes.
func NewRanges(nodes []Node) *Ranges {
	r := &Ranges{}
	for _, n := range nodes {
		r.Set(n.Name, n.CIDRs)
	}
	return r
}

// Set replaces the ranges of a node; none takes it out.
func (r *Ranges) Set(node string, cidrs []netip.Prefix) {
	if r.of == nil {
		r.of, r.nodes, r.lengths = map[string][]netip.Prefix{}, map[netip.Prefix][]string{}, map[length]int{}
	}
	for _, p := range r.of[node] {
		r.nodes[p] = slices.DeleteFunc(r.nodes[p], func(other string) bool { return other == node })
		if len(r.nodes[p]) == 0 {
			delete(r.nodes, p)
		}
		if r.lengths[lengthOf(p)]--; r.lengths[lengthOf(p)] == 0 {
			delete(r.lengths, lengthOf(p))
		}
	}
	for _, p := range cidrs {
		r.nodes[p] = append(r.nodes[p], node)
		r.lengths[lengthOf(p)]++
	}
	if r.of[node] = cidrs; len(cidrs) == 0 {
		delete(r.of, node)
	}
}

// Of returns the ranges of a node.
func (r *Ranges) Of(node string) []netip.Prefix { return r.of[node] }

// Holds reports whether the address is in a range of some node, and whether it is in one of that node.
func (r *Ranges) Holds(a netip.Addr, node string) (some, its bool) {
	for l := range r.lengths {
		if l.family != ruleset.FamilyOf(a) {
			continue
		}
		if p, err := a.Prefix(l.bits); err == nil {
			some, its = some || len(r.nodes[p]) > 0, its || slices.Contains(r.nodes[p], node)
		}
	}
	return some, its
}

// Within reports whether the address is in a range of some node.
func (r *Ranges) Within(a netip.Addr) bool {
	some, _ := r.Holds(a, "")
	return some
}

// Starts reports whether a range of some node starts with the address.
func (r *Ranges) Starts(a netip.Addr) bool {
	for l := range r.lengths {
		if l.family == ruleset.FamilyOf(a) && len(r.nodes[netip.PrefixFrom(a, l.bits)]) > 0 {
			return true
		}
	}
	return false
}

// Knows reports whether a node has a range of that family.
func (r *Ranges) Knows(node string, f ruleset.Family) bool {
	return slices.ContainsFunc(r.of[node], func(p netip.Prefix) bool { return ruleset.FamilyOf(p.Addr()) == f })
}

// CanBeOf reports whether an address can be that of a pod of the node: one in a range is of the nodes with that range
// alone. One in no range is anybody's where anywhere is set, else only of nodes without a range of its family.
func (r *Ranges) CanBeOf(node string, a netip.Addr, anywhere bool) bool {
	if some, its := r.Holds(a, node); some {
		return its
	}
	return anywhere || !r.Knows(node, ruleset.FamilyOf(a))
}

// CanBeSubject is CanBeOf where other nodes' ranges count only against that of the node itself: without it, every
// address can be.
func (r *Ranges) CanBeSubject(node string, a netip.Addr, anywhere bool) bool {
	return !r.Knows(node, ruleset.FamilyOf(a)) || r.CanBeOf(node, a, anywhere)
}

// Unknown returns the ranges whose unknown addresses a strict program denies: those that the node is known to have, and of
// a family of which none is known those that were found on it.
func Unknown(known, found []netip.Prefix) []netip.Prefix {
	all := slices.Clone(known)
	for _, p := range found {
		if !slices.ContainsFunc(known, func(k netip.Prefix) bool { return ruleset.FamilyOf(k.Addr()) == ruleset.FamilyOf(p.Addr()) }) {
			all = append(all, p.Masked())
		}
	}
	inside := func(p netip.Prefix) bool {
		return slices.ContainsFunc(all, func(o netip.Prefix) bool { return o.Bits() < p.Bits() && o.Contains(p.Addr()) })
	}
	all = slices.DeleteFunc(slices.Clone(all), inside)
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all)
}
