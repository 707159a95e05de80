package graph

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// host is what the kernel of this node has said.
type host struct {
	own    map[netip.Addr]bool // the node's addresses; nil: it has not said them yet
	ranges []netip.Prefix      // that it has for pods
	behind map[netip.Addr]bool // of the addresses in Questions, those behind interfaces of pods
}

// setHost replaces the node's addresses and pod ranges as the kernel says.
func (g *Graph) setHost(own []netip.Addr, ranges []netip.Prefix) {
	old := g.OwnAddrs()
	g.host.own, g.host.ranges = nil, ranges
	if own != nil {
		g.host.own = map[netip.Addr]bool{}
	}
	for _, a := range own {
		g.host.own[a] = true
	}
	g.updateAddrs(changedAddrs(old, g.OwnAddrs()))
	g.updateStrictRanges()
}

// changedAddrs returns the addresses that are in one of two lists only.
func changedAddrs(a, b []netip.Addr) []netip.Addr {
	count := map[netip.Addr]int{}
	for _, addr := range slices.Concat(a, b) {
		count[addr]++
	}
	inBoth := func(addr netip.Addr) bool { return count[addr] > 1 }
	return slices.DeleteFunc(slices.Concat(a, b), inBoth)
}

// setBehind replaces the addresses that are behind interfaces of pods, and forgets
// departed pods whose address is not.
func (g *Graph) setBehind(addrs []netip.Addr) {
	behind := map[netip.Addr]bool{}
	for _, a := range addrs {
		behind[a] = true
	}
	var changed []netip.Addr
	for a := range g.host.behind {
		changed = appendIf(changed, !behind[a], a)
	}
	for a := range behind {
		changed = appendIf(changed, !g.host.behind[a], a)
	}
	left := map[string]bool{}
	for a, p := range g.departed {
		if !behind[a] {
			delete(g.departed, a)
			changed, left[p.Namespace] = append(changed, a), true
		}
	}
	g.host.behind = behind
	g.updateAddrs(changed)
	for name := range left {
		g.dropUnused(g.namespace(name))
	}
}

// Questions returns the addresses of which only the kernel can tell whether a pod of
// this node has them: those of departed pods, and those that a pod claims outside of
// the node's pod ranges.
func (g *Graph) Questions() []netip.Addr {
	g.doPending()
	var addrs []netip.Addr
	for a := range g.departed {
		addrs = append(addrs, a)
	}
	for p := range g.outsideRanges {
		if p.claimed.Node != g.node {
			continue
		}
		for _, a := range p.claimed.Addrs {
			addrs = appendIf(addrs, !g.podRanges.CanBeSubject(g.node, a, g.anywhere), a)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// Ranges returns the ranges that the addresses of this node's pods come from: those of
// its object and, of a family that the object lacks, those that the kernel says.
func (g *Graph) Ranges() []netip.Prefix {
	return policy.FillFamilies(g.podRanges.Of(g.node), g.host.ranges)
}

// updateStrictRanges updates the ranges in which pods of this node are denied until
// they are known.
func (g *Graph) updateStrictRanges() {
	if g.strict {
		g.ranges.replace(g.Ranges())
	}
}
