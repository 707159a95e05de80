package graph

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// Dispute is an address that several pods or nodes claim, or one that a pod claims and
// can't have.
type Dispute struct {
	Addr  netip.Addr
	Pods  []policy.Pod // that claim it, sorted
	Nodes []string     // whose objects state it, sorted
	Range []string     // nodes whose pod range contains it
	Own   bool         // it is this node's own
}

// updateDispute notes whether an address is disputed.
func (g *Graph) updateDispute(a netip.Addr) {
	claims := g.claims[a]
	disputed := len(claims) > 1 || g.nodeAddrs[a] > 0 && g.podRanges.Contains(a)
	for _, p := range claims {
		disputed = disputed || g.isNodes(a) || !g.canHave(p, a)
	}
	if disputed || g.disputed[a] {
		g.disputeChanges++
	}
	if delete(g.disputed, a); disputed {
		g.disputed[a] = true
	}
}

// DisputeChanges counts changes of what Disputes returns.
func (g *Graph) DisputeChanges() int {
	g.doPending()
	return g.disputeChanges
}

// DisputeCount returns how many addresses are disputed.
func (g *Graph) DisputeCount() int { return len(g.disputed) }

// Disputes returns how many addresses are disputed, and the first of them, sorted by
// address.
func (g *Graph) Disputes(most int) (count int, some []Dispute) {
	g.doPending()
	addrs := make([]netip.Addr, 0, len(g.disputed))
	for a := range g.disputed {
		addrs = append(addrs, a)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	for _, a := range addrs[:min(most, len(addrs))] {
		some = append(some, g.disputeOf(a))
	}
	return len(addrs), some
}

// disputeOf collects who claims a disputed address, for people to read.
func (g *Graph) disputeOf(a netip.Addr) Dispute {
	d := Dispute{Addr: a, Own: g.isOwn(a)}
	for _, p := range g.claims[a] {
		d.Pods = append(d.Pods, *p.claimed)
	}
	for name, n := range g.nodes {
		d.Nodes = appendIf(d.Nodes, slices.Contains(n.Addrs, a), name)
		_, inNodes := g.podRanges.Find(a, name)
		d.Range = appendIf(d.Range, inNodes, name)
	}
	slices.SortFunc(d.Pods, comparePods)
	slices.Sort(d.Nodes)
	slices.Sort(d.Range)
	return d
}
