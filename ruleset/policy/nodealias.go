package policy

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Tunnel is how a packet that a node itself sends may arrive at a pod of another node: with the first address of the
// sender's pod range, which vxlan tunnels of flannel have, and not with an address of the node.
type Tunnel struct {
	Node netip.Addr // one that the node has
	Addr netip.Addr // of its tunnel, of the same family
}

// Tunnels returns those of all nodes. An address that several nodes state, or that is in a pod range, is taken for
// nobody's; pod tells of an address whether it is a pod's. They are sorted by the nodes' addresses.
func Tunnels(nodes []Node, ranges *Ranges, pod func(netip.Addr) bool) []Tunnel {
	stated := map[netip.Addr]int{}
	for _, n := range nodes {
		for _, a := range n.Addrs {
			stated[a]++
		}
	}
	var tunnels []Tunnel
	for _, n := range nodes {
		for _, a := range n.Addrs {
			if stated[a] > 1 || ranges.Within(a) {
				continue
			}
			for _, p := range n.CIDRs {
				if first := p.Masked().Addr(); ruleset.FamilyOf(first) == ruleset.FamilyOf(a) && !pod(first) {
					tunnels = append(tunnels, Tunnel{a, first})
				}
			}
		}
	}
	slices.SortFunc(tunnels, Tunnel.compare)
	return tunnels
}

func (t Tunnel) compare(o Tunnel) int { return cmp.Or(t.Node.Compare(o.Node), t.Addr.Compare(o.Addr)) }

// HasBlocks reports whether a rule of the policy has an ipBlock.
func (p *Policy) HasBlocks() bool {
	for _, rules := range p.Rules {
		if slices.ContainsFunc(rules, func(r Rule) bool { return len(r.Blocks) > 0 }) {
			return true
		}
	}
	return false
}

// WithTunnels returns the policy where each rule whose ipBlocks hold an address of a node holds that node's tunnel, too;
// the policy itself where none does.
func (p *Policy) WithTunnels(tunnels []Tunnel) *Policy {
	wide := p
	for d, rules := range p.Rules {
		for i, r := range rules {
			blocks := withTunnels(r.Blocks, tunnels)
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
	return p == o || slices.EqualFunc(p.Rules[0], o.Rules[0], same) && slices.EqualFunc(p.Rules[1], o.Rules[1], same)
}

// withTunnels returns ranges, which are disjoint and sorted, with the tunnels of the nodes in them; none where that
// changes nothing.
func withTunnels(ranges []ruleset.Range, tunnels []Tunnel) []ruleset.Range {
	var more []ruleset.Range
	for _, r := range ranges {
		at, _ := slices.BinarySearchFunc(tunnels, r.First, func(t Tunnel, a netip.Addr) int { return t.Node.Compare(a) })
		for ; at < len(tunnels) && r.Contains(tunnels[at].Node); at++ {
			if tunnel := tunnels[at].Addr; !holds(ranges, tunnel) {
				more = append(more, ruleset.Range{First: tunnel, Last: tunnel})
			}
		}
	}
	if len(more) == 0 {
		return nil
	}
	return Union(slices.Concat(ranges, more))
}

// holds reports whether an address is in ranges that are disjoint and sorted.
func holds(ranges []ruleset.Range, a netip.Addr) bool {
	at, found := slices.BinarySearchFunc(ranges, a, func(r ruleset.Range, a netip.Addr) int { return r.First.Compare(a) })
	return found || at > 0 && ranges[at-1].Contains(a)
}
