package graph

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// pending is what must be updated since nodes changed. It waits until somebody asks, so
// that thousands of nodes that come at once cost one update.
type pending struct {
	outsideRanges bool // pods that claim addresses outside of their nodes' ranges
	allPods       bool
	aliases       bool // the second source addresses of nodes
}

// setNode replaces what is known of a node. What follows for pods of all nodes is left
// for doPending.
func (g *Graph) setNode(n policy.Node) {
	old := g.nodes[n.Name]
	if !old.Equal(n) {
		g.nodeChanges++
	}
	for _, a := range old.Addrs {
		if g.nodeAddrs[a]--; g.nodeAddrs[a] == 0 {
			delete(g.nodeAddrs, a)
		}
	}
	for _, a := range n.Addrs {
		g.nodeAddrs[a]++
	}
	clear(g.chosen)
	g.nodes[n.Name] = n
	was := g.reachedAt(policy.Node{Name: n.Name, Addrs: old.Addrs})
	g.setRanges(n)
	g.setReached(n.Name, was, g.reachedAt(n))
	g.pending.aliases = g.pending.aliases || !old.Equal(n)
	g.updateAddrs(slices.Concat(old.Addrs, n.Addrs))
}

// deleteNode deletes a node. Of this node the pod ranges stay, see setRanges.
func (g *Graph) deleteNode(name string) {
	g.setNode(policy.Node{Name: name})
	delete(g.nodes, name)
}

// reachedAt returns the addresses at which pods reach a node, with the ranges that
// count for it. Of this node only the stated addresses count: what pods send to the
// others never passes the forward hook.
func (g *Graph) reachedAt(n policy.Node) []netip.Addr {
	if n.Name == g.node {
		return n.Addrs
	}
	n.CIDRs = g.podRanges.Of(n.Name)
	return n.Reached()
}

// setRanges replaces the ranges that the addresses of a node's pods come from. Those of
// this node stay until there are others of their family: what belongs to its pods must
// not depend on whether its object is there.
func (g *Graph) setRanges(n policy.Node) {
	before, now := g.podRanges.Of(n.Name), n.CIDRs
	if n.Name == g.node {
		now = policy.FillFamilies(now, before)
	}
	if slices.Equal(before, now) {
		return
	}
	g.nodeChanges++
	g.podRanges.Set(n.Name, now)
	g.pending.outsideRanges = true
	g.pending.allPods = g.pending.allPods || len(before) > 0
	g.updateStrictRanges()
}

// KnowsNode reports whether there is an object for this node.
func (g *Graph) KnowsNode() bool {
	_, known := g.nodes[g.node]
	return known
}

// NodeChanges counts how often a node, or what is known of this one, has changed.
func (g *Graph) NodeChanges() int { return g.nodeChanges }

// NodeNames returns the names of all nodes, sorted.
func (g *Graph) NodeNames() []string { return slices.Sorted(maps.Keys(g.nodes)) }

// allNodes returns the nodes, this one with the ranges that it had last.
func (g *Graph) allNodes() []policy.Node {
	nodes := make([]policy.Node, 0, len(g.nodes)+1)
	own := policy.Node{Name: g.node}
	for _, n := range g.nodes {
		if n.Name == g.node {
			own = n
			continue
		}
		nodes = append(nodes, n)
	}
	if own.CIDRs = g.podRanges.Of(g.node); len(own.Addrs)+len(own.CIDRs) == 0 {
		return nodes
	}
	return append(nodes, own)
}

// doPending updates what is pending since nodes changed.
func (g *Graph) doPending() {
	if g.pending.outsideRanges {
		g.updateByRanges()
	}
	if g.pending.aliases {
		g.updateAliases()
	}
	g.pending = pending{}
}

// updateByRanges updates who has the addresses that the ranges of nodes may have
// decided over.
func (g *Graph) updateByRanges() {
	for p := range maps.Clone(g.outsideRanges) {
		g.updateAddrs(p.claimed.Addrs)
	}
	if g.pending.allPods {
		for _, p := range g.pods {
			g.updateAddrs(p.claimed.Addrs)
		}
	}
	for a := range g.nodeAddrs {
		g.updateAddr(a)
	}
	// A map stays as large as it ever was, and before nodes are known all pods are in
	// this one.
	g.outsideRanges = maps.Clone(g.outsideRanges)
}

// updateAliases updates policies whose ipBlocks contain addresses of nodes; see
// policy.NodeAlias.
func (g *Graph) updateAliases() {
	isPod := func(a netip.Addr) bool { return g.peerAt(a) != nil }
	aliases := policy.NodeAliases(g.allNodes(), &g.podRanges, isPod)
	if slices.Equal(aliases, g.aliases) {
		return
	}
	g.aliases = aliases
	for _, ns := range g.namespaces {
		for _, p := range ns.policies {
			if !p.HasBlocks() {
				continue
			}
			if now := p.stated.WithAliases(aliases); !now.SameBlocks(p.Policy) {
				g.cache.Forget(p.Policy)
				p.Policy = now
				g.markSubjects(ns, p)
			}
		}
	}
}
