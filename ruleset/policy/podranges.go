package policy

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// PodRanges are the ranges that the addresses of each node's pods come from
// (Node.spec.podCIDRs). The zero value has none.
type PodRanges struct {
	of      map[string][]netip.Prefix // by node
	nodes   map[netip.Prefix][]string // by range
	lengths map[length]int            // how many ranges have each length
}

// length is the number of bits of a range of one family.
type length struct {
	family ruleset.Family
	bits   int
}

// lengthOf returns the length of a range, for its family alone: Find cuts addresses of
// that family to it.
func lengthOf(p netip.Prefix) length { return length{ruleset.FamilyOf(p.Addr()), p.Bits()} }

// NewPodRanges returns the ranges of these nodes.
func NewPodRanges(nodes []Node) *PodRanges {
	r := &PodRanges{}
	for _, n := range nodes {
		r.Set(n.Name, n.CIDRs)
	}
	return r
}

// Set replaces the ranges of a node; no ranges take the node out.
func (r *PodRanges) Set(node string, cidrs []netip.Prefix) {
	if r.of == nil {
		r.of, r.nodes = map[string][]netip.Prefix{}, map[netip.Prefix][]string{}
		r.lengths = map[length]int{}
	}
	for _, p := range r.of[node] {
		r.remove(node, p)
	}
	for _, p := range cidrs {
		r.nodes[p] = append(r.nodes[p], node)
		r.lengths[lengthOf(p)]++
	}
	if r.of[node] = cidrs; len(cidrs) == 0 {
		delete(r.of, node)
	}
}

// remove takes one range off a node. Several nodes can have the same range.
func (r *PodRanges) remove(node string, p netip.Prefix) {
	isNode := func(other string) bool { return other == node }
	if r.nodes[p] = slices.DeleteFunc(r.nodes[p], isNode); len(r.nodes[p]) == 0 {
		delete(r.nodes, p)
	}
	if r.lengths[lengthOf(p)]--; r.lengths[lengthOf(p)] == 0 {
		delete(r.lengths, lengthOf(p))
	}
}

// Of returns the ranges of a node.
func (r *PodRanges) Of(node string) []netip.Prefix { return r.of[node] }

// Find reports whether the address is in a range of any node, and whether it is in one
// of that node. It looks once for each length of range, however many nodes there are.
func (r *PodRanges) Find(a netip.Addr, node string) (inAny, inNodes bool) {
	for l := range r.lengths {
		if l.family != ruleset.FamilyOf(a) {
			continue
		}
		if p, err := a.Prefix(l.bits); err == nil {
			inAny = inAny || len(r.nodes[p]) > 0
			inNodes = inNodes || slices.Contains(r.nodes[p], node)
		}
	}
	return inAny, inNodes
}

// Contains reports whether the address is in a range of any node.
func (r *PodRanges) Contains(a netip.Addr) bool {
	inAny, _ := r.Find(a, "")
	return inAny
}

// IsFirst reports whether the address is the first of a range of any node.
func (r *PodRanges) IsFirst(a netip.Addr) bool {
	for l := range r.lengths {
		if l.family == ruleset.FamilyOf(a) && len(r.nodes[netip.PrefixFrom(a, l.bits)]) > 0 {
			return true
		}
	}
	return false
}

// HasFamily reports whether a node has a range of that family.
func (r *PodRanges) HasFamily(node string, f ruleset.Family) bool {
	return hasFamily(r.of[node], f)
}

// CanBeOf reports whether a pod of the node can be the peer at an address. An address
// in a range belongs to the nodes with that range alone. One in no range can be of any
// node where anywhere is set, else only of nodes without a range of its family.
func (r *PodRanges) CanBeOf(node string, a netip.Addr, anywhere bool) bool {
	if inAny, inNodes := r.Find(a, node); inAny {
		return inNodes
	}
	return anywhere || !r.HasFamily(node, ruleset.FamilyOf(a))
}

// CanBeSubject reports whether a pod of the node can be the subject at an address. It
// is CanBeOf, but a node without a range of the address's family can have it even in
// the range of another: what other nodes say must not end a pod's isolation.
func (r *PodRanges) CanBeSubject(node string, a netip.Addr, anywhere bool) bool {
	return !r.HasFamily(node, ruleset.FamilyOf(a)) || r.CanBeOf(node, a, anywhere)
}

// FillFamilies returns the ranges that a node is known to have and, of a family of
// which none is known, others; no range in it contains another. It decides where
// unknown pods of a node are denied.
func FillFamilies(known, others []netip.Prefix) []netip.Prefix {
	all := slices.Clone(known)
	for _, p := range others {
		if !hasFamily(known, ruleset.FamilyOf(p.Addr())) {
			all = append(all, p.Masked())
		}
	}
	inside := func(p netip.Prefix) bool {
		return slices.ContainsFunc(all, func(o netip.Prefix) bool {
			return o.Bits() < p.Bits() && o.Contains(p.Addr())
		})
	}
	all = slices.DeleteFunc(slices.Clone(all), inside)
	slices.SortFunc(all, netip.Prefix.Compare)
	return slices.Compact(all)
}

// hasFamily reports whether any of the ranges is of that family.
func hasFamily(ranges []netip.Prefix, f ruleset.Family) bool {
	is := func(p netip.Prefix) bool { return ruleset.FamilyOf(p.Addr()) == f }
	return slices.ContainsFunc(ranges, is)
}
