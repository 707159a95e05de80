package graph

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// due is what must be looked at again since nodes changed. It waits until somebody asks, so that thousands of nodes that
// come at once cost one look.
type due struct {
	strays  bool // pods that claim addresses outside of their nodes' ranges
	all     bool // all pods
	tunnels bool
}

func (g *Graph) setNode(n policy.Node) {
	old := g.nodes[n.Name]
	for _, a := range old.Addrs {
		if g.nodeAddrs[a]--; g.nodeAddrs[a] == 0 {
			delete(g.nodeAddrs, a)
		}
	}
	for _, a := range n.Addrs {
		g.nodeAddrs[a]++
	}
	clear(g.drawn)
	g.nodes[n.Name] = n
	was := g.reachedBy(policy.Node{Name: n.Name, Addrs: old.Addrs})
	g.setRanges(n)
	g.setReached(was, g.reachedBy(n))
	g.due.tunnels = g.due.tunnels || !old.Equal(n)
	g.settle(slices.Concat(old.Addrs, n.Addrs))
}

// reachedBy returns the addresses that a node is reached by, with the ranges that count for it. What is sent to
// this one never passes the forward hook, whatever its addresses are.
func (g *Graph) reachedBy(n policy.Node) []netip.Addr {
	if n.Name == g.node {
		return n.Addrs
	}
	n.CIDRs = g.podRanges.Of(n.Name)
	return n.Reached()
}

func (g *Graph) deleteNode(name string) {
	g.setNode(policy.Node{Name: name})
	delete(g.nodes, name)
}

// setRanges takes over where the addresses of a node's pods come from. Those of this node stay until there are others of
// their family: what is its pods' does not depend on whether its object is there.
func (g *Graph) setRanges(n policy.Node) {
	before, now := g.podRanges.Of(n.Name), n.CIDRs
	if n.Name == g.node {
		now = policy.Unknown(now, before)
	}
	if slices.Equal(before, now) {
		return
	}
	g.podRanges.Set(n.Name, now)
	g.due.strays, g.due.all = true, g.due.all || len(before) > 0
	g.restrict()
}

// restrict says where the addresses of pods of this node come from that are denied until they are known.
func (g *Graph) restrict() {
	if g.strict {
		g.ranges.replace(g.Ranges())
	}
}

// Ranges returns where the addresses of this node's pods come from, as far as its object has said, else as far as was
// found on it.
func (g *Graph) Ranges() []netip.Prefix { return policy.Unknown(g.podRanges.Of(g.node), g.host.ranges) }

// KnowsNode reports whether there is an object for this node.
func (g *Graph) KnowsNode() bool {
	_, known := g.nodes[g.node]
	return known
}

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

// catchUp does what is due.
func (g *Graph) catchUp() {
	if g.due.strays {
		g.resettle()
	}
	if g.due.tunnels {
		g.retunnel()
	}
	g.due = due{}
}

// resettle brings up to date who has the addresses that the ranges of nodes may have decided over.
func (g *Graph) resettle() {
	for p := range maps.Clone(g.loose) {
		g.settle(p.claimed.Addrs)
	}
	if g.due.all {
		for _, p := range g.pods {
			g.settle(p.claimed.Addrs)
		}
	}
	for a := range g.nodeAddrs {
		g.settleAddress(a)
	}
	g.loose = maps.Clone(g.loose) // a map stays as large as it ever was: before nodes are known all pods are in it
}

// retunnel brings policies up to date whose ipBlocks hold addresses of nodes.
func (g *Graph) retunnel() {
	tunnels := policy.Tunnels(g.allNodes(), &g.podRanges, func(a netip.Addr) bool { return g.holder(a) != nil })
	if slices.Equal(tunnels, g.tunnels) {
		return
	}
	g.tunnels = tunnels
	for _, ns := range g.namespaces {
		for _, p := range ns.policies {
			if !p.HasBlocks() {
				continue
			}
			if now := p.stated.WithTunnels(tunnels); !now.SameBlocks(p.Policy) {
				g.drafts.Forget(p.Policy)
				p.Policy = now
				g.touchSubjects(ns, p)
			}
		}
	}
}
