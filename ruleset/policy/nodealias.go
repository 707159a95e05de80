package policy

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// NodeAlias is a second source address of a node. Where flannel uses vxlan, what a node
// itself sends to a pod of another node comes from the first address of the sender's
// pod range, and not from an address of its Node object.
type NodeAlias struct {
	Node  netip.Addr // an address of the node
	Alias netip.Addr // the first of its pod range, in the same family
}

// NodeAliases returns the aliases of all nodes, sorted by the nodes' addresses. An
// address that several nodes state, or that is in a pod range, counts as no node's; one
// that isPod reports counts as no alias.
func NodeAliases(nodes []Node, ranges *PodRanges, isPod func(netip.Addr) bool) []NodeAlias {
	stated := map[netip.Addr]int{}
	for _, n := range nodes {
		for _, a := range n.Addrs {
			stated[a]++
		}
	}
	var aliases []NodeAlias
	for _, n := range nodes {
		for _, a := range n.Addrs {
			if stated[a] == 1 && !ranges.Contains(a) {
				aliases = append(aliases, n.aliases(a, isPod)...)
			}
		}
	}
	slices.SortFunc(aliases, NodeAlias.compare)
	return aliases
}

// aliases returns those of one of the node's addresses.
func (n Node) aliases(a netip.Addr, isPod func(netip.Addr) bool) []NodeAlias {
	var aliases []NodeAlias
	for _, p := range n.CIDRs {
		first := p.Masked().Addr()
		if ruleset.FamilyOf(first) == ruleset.FamilyOf(a) && !isPod(first) {
			aliases = append(aliases, NodeAlias{a, first})
		}
	}
	return aliases
}

// compare orders aliases by node, so that those of a range can be found by a search.
func (x NodeAlias) compare(o NodeAlias) int {
	return cmp.Or(x.Node.Compare(o.Node), x.Alias.Compare(o.Alias))
}

// HasBlocks reports whether a rule of the policy has an ipBlock.
func (p *Policy) HasBlocks() bool {
	for _, rules := range p.Rules {
		if slices.ContainsFunc(rules, func(r Rule) bool { return len(r.Blocks) > 0 }) {
			return true
		}
	}
	return false
}

// WithAliases returns the policy where each rule whose ipBlocks contain an address of a
// node contains the aliases of that address, too. It is the policy itself where that
// changes nothing.
func (p *Policy) WithAliases(aliases []NodeAlias) *Policy {
	wide := p
	for d, rules := range p.Rules {
		for i, r := range rules {
			blocks := withAliases(r.Blocks, aliases)
			if len(blocks) == 0 {
				continue
			}
			if wide == p {
				same := *p
				wide = &same
			}
			if &wide.Rules[d][0] == &rules[0] {
				wide.Rules[d] = slices.Clone(rules)
			}
			wide.Rules[d][i].Blocks = blocks
		}
	}
	return wide
}

// SameBlocks reports whether two forms of one policy have the same ipBlocks.
func (p *Policy) SameBlocks(o *Policy) bool {
	same := func(a, b Rule) bool { return slices.Equal(a.Blocks, b.Blocks) }
	return p == o || slices.EqualFunc(p.Rules[0], o.Rules[0], same) &&
		slices.EqualFunc(p.Rules[1], o.Rules[1], same)
}

// withAliases returns ranges, which are disjoint and sorted, with the aliases of the
// nodes in them. It returns nil where that changes nothing.
func withAliases(ranges []ruleset.Range, aliases []NodeAlias) []ruleset.Range {
	byNode := func(x NodeAlias, a netip.Addr) int { return x.Node.Compare(a) }
	var more []ruleset.Range
	for _, r := range ranges {
		at, _ := slices.BinarySearchFunc(aliases, r.First, byNode)
		for ; at < len(aliases) && r.Contains(aliases[at].Node); at++ {
			if alias := aliases[at].Alias; !contains(ranges, alias) {
				more = append(more, ruleset.Range{First: alias, Last: alias})
			}
		}
	}
	if len(more) == 0 {
		return nil
	}
	return Union(slices.Concat(ranges, more))
}
