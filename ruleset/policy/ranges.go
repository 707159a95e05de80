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

// Owners returns the nodes that have a range with the address.
func (r *Ranges) Owners(a netip.Addr) []string {
	var owners []string
	for l := range r.lengths {
		if l.family != ruleset.FamilyOf(a) {
			continue
		}
		if p, err := a.Prefix(l.bits); err == nil {
			owners = append(owners, r.nodes[p]...)
		}
	}
	return owners
}

// Knows reports whether a node has a range of that family.
func (r *Ranges) Knows(node string, f ruleset.Family) bool {
	return slices.ContainsFunc(r.of[node], func(p netip.Prefix) bool { return ruleset.FamilyOf(p.Addr()) == f })
}

// CanBeOf reports whether an address can be that of a pod of the node: one in a range is of the nodes with that range
// alone. One in no range is anybody's where anywhere is set, else only of nodes without a range of its family.
func (r *Ranges) CanBeOf(node string, a netip.Addr, anywhere bool) bool {
	if owners := r.Owners(a); len(owners) > 0 {
		return slices.Contains(owners, node)
	}
	return anywhere || !r.Knows(node, ruleset.FamilyOf(a))
}

// CanBeSubject is CanBeOf where other nodes' ranges count only against that of the node itself: without it, every
// address can be.
func (r *Ranges) CanBeSubject(node string, a netip.Addr, anywhere bool) bool {
	return !r.Knows(node, ruleset.FamilyOf(a)) || r.CanBeOf(node, a, anywhere)
}
