package ruleset

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Program is all that the kernel of one node should hold. Every list is sorted and has no
// duplicates, so that equal programs are equal values and print alike. The zero value denies
// nothing.
type Program struct {
	Strict bool // pods that are not known yet are denied; see StrictSets
	// the node's own addresses: between them and its pods everything is allowed
	Node []netip.Addr
	// interfaces that pods sit behind; router advertisements and redirects from them are dropped
	Links    []string
	Sets     []Set      // by ID
	Chains   []Chain    // by ID
	Dispatch []Dispatch // by direction and address
}

// Dispatch says that the pod with this address is isolated in this direction, and which
// chain decides about its packets.
type Dispatch struct {
	Direction Direction
	Addr      netip.Addr
	Chain     ChainID
}

// Compare orders by direction, address and chain.
func (d Dispatch) Compare(o Dispatch) int {
	return cmp.Or(cmp.Compare(d.Direction, o.Direction), d.Addr.Compare(o.Addr),
		cmp.Compare(d.Chain, o.Chain))
}

// String is its line in a program or delta.
func (d Dispatch) String() string {
	return fmt.Sprintf("dispatch %s %s -> %s", d.Direction, d.Addr, d.Chain)
}

// Sort brings the lists into their canonical order.
func (p *Program) Sort() {
	slices.SortFunc(p.Node, netip.Addr.Compare)
	slices.Sort(p.Links)
	slices.SortFunc(p.Sets, func(a, b Set) int { return a.ID.Compare(b.ID) })
	slices.SortFunc(p.Chains, func(a, b Chain) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(p.Dispatch, Dispatch.Compare)
}

// String is the canonical text, one item a line.
func (p *Program) String() string {
	var b strings.Builder
	if p.Strict {
		b.WriteString("strict\n")
	}
	for _, addr := range p.Node {
		fmt.Fprintf(&b, "node %s\n", addr)
	}
	for _, link := range p.Links {
		fmt.Fprintf(&b, "link %s\n", link)
	}
	for _, s := range p.Sets {
		s.text(&b)
	}
	for _, c := range p.Chains {
		c.text(&b)
	}
	for _, d := range p.Dispatch {
		fmt.Fprintln(&b, d)
	}
	return b.String()
}

// chain finds a chain by its name; a name that is not there is an empty chain, which denies.
func (p *Program) chain(id ChainID) Chain {
	at, found := slices.BinarySearchFunc(p.Chains, id,
		func(c Chain, id ChainID) int { return cmp.Compare(c.ID, id) })
	if !found {
		return Chain{ID: id}
	}
	return p.Chains[at]
}

// set finds a set by its name; a name that is not there is an empty set, which nobody is in.
func (p *Program) set(id SetID) Set {
	at, found := slices.BinarySearchFunc(p.Sets, id,
		func(s Set, id SetID) int { return s.ID.Compare(id) })
	if !found {
		return Set{ID: id}
	}
	return p.Sets[at]
}
