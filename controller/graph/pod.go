package graph

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// pod is a pod that counts.
type pod struct {
	claimed *policy.Pod // as its object says: held, where all of its addresses are its own
	held    policy.Pod  // with the addresses that are really its own
	ns      *namespace
	group   *group // nil: it is new, or gone
	*part          // nil: it never had one, as nearly all of a cluster
}

// part is what a pod of this node has in the program.
type part struct {
	judged [2]judged    // by direction
	known  []netip.Addr // what it contributes to Graph.known
}

func (g *Graph) setPod(claimed policy.Pod) {
	p, known := g.pods[claimed.Key]
	if !known {
		p = &pod{claimed: &policy.Pod{}}
		g.pods[claimed.Key] = p
	}
	p.ns = g.namespace(claimed.Namespace)
	p.ns.pods[p] = true
	old := *p.claimed
	g.place(p, old.Node, claimed.Node)
	g.unclaim(p)
	p.claimed = &claimed
	g.claim(p)
	g.settle(slices.Concat(old.Addrs, claimed.Addrs))
	g.update(p)
}

// deletePod: a pod of this node stays in g.pods, without addresses, until its chains are gone too.
func (g *Graph) deletePod(key policy.Key) {
	p, known := g.pods[key]
	if !known {
		return
	}
	old := *p.claimed
	g.unclaim(p)
	p.claimed = &policy.Pod{Key: key}
	delete(p.ns.pods, p)
	g.settle(old.Addrs)
	g.update(p)
	g.place(p, old.Node, "")
	if !g.dirty[p] {
		delete(g.pods, key)
	}
	if len(p.ns.pods) == 0 {
		g.dropLingering(p.ns)
	}
	g.forget(p.ns)
}

// place keeps track of the pods of this node; one that leaves it loses its chains.
func (g *Graph) place(p *pod, from, to string) {
	if from == g.node || to == g.node {
		g.local++
	}
	switch {
	case to == g.node:
		p.ns.local[p], g.residents[p] = true, true
	case from == g.node:
		delete(p.ns.local, p)
		delete(g.residents, p)
		g.dirty[p] = true
	}
}

func (g *Graph) claim(p *pod) {
	for _, a := range p.claimed.Addrs {
		g.claims[a] = append(g.claims[a], p)
	}
}

func (g *Graph) unclaim(p *pod) {
	for _, a := range p.claimed.Addrs {
		g.claims[a] = slices.DeleteFunc(g.claims[a], func(other *pod) bool { return other == p })
		if len(g.claims[a]) == 0 {
			delete(g.claims, a)
		}
	}
}

// holder returns the pod that an address really belongs to: of those that claim it the one that outranks
// the others, none where it is a node's.
func (g *Graph) holder(a netip.Addr) *pod {
	var best *pod
	for _, p := range g.claims[a] {
		if best == nil || p.claimed.Outranks(*best.claimed) {
			best = p
		}
	}
	if g.nodeAddrs[a] > 0 {
		return nil
	}
	return best
}

// settle brings every pod up to date that may have won or lost one of these addresses.
func (g *Graph) settle(addrs []netip.Addr) {
	for _, a := range addrs {
		holder := g.holder(a)
		for _, p := range g.claims[a] {
			if has := slices.Contains(p.held.Addrs, a); has != (holder == p) {
				g.update(p)
			}
		}
	}
}

// update takes over what a pod claims: its addresses, its places in sets, its chains.
func (g *Graph) update(p *pod) {
	claimed := *p.claimed
	held := claimed.Holding(func(a netip.Addr) bool { return g.holder(a) == p })
	if held.Equal(p.held) && (p.group != nil) == p.ns.pods[p] {
		return
	}
	was := p.held
	p.held, p.claimed = held, &p.held
	if len(held.Addrs) < len(claimed.Addrs) {
		p.claimed = &claimed
	}
	g.join(p, was)
	if p.ns.local[p] {
		g.dirty[p] = true
	}
}

func (g *Graph) setNode(n policy.Node) {
	old := g.nodes[n.Name]
	clear(g.drawn)
	for _, a := range old.Addrs {
		g.nodeAddrs[a]--
	}
	for _, a := range n.Addrs {
		g.nodeAddrs[a]++
	}
	g.setNodeAddrs(slices.Concat(old.Addrs, n.Addrs))
	g.nodes[n.Name] = n
	if len(n.Addrs)+len(n.CIDRs) == 0 {
		delete(g.nodes, n.Name)
	}
	if n.Name == g.node && g.strict {
		g.ranges.replace(n.CIDRs)
	}
	g.settle(slices.Concat(old.Addrs, n.Addrs))
}
