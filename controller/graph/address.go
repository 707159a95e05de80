package graph

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// isNodes reports whether an address is a node's and so no pod's: one of this node as
// its kernel says, or one that a Node object states, unless it is in a pod range.
func (g *Graph) isNodes(a netip.Addr) bool {
	return g.isOwn(a) || g.nodeAddrs[a] > 0 && !g.podRanges.Contains(a)
}

// isOwn reports whether an address is this node's. Until the kernel has said so, the
// Node object counts.
func (g *Graph) isOwn(a netip.Addr) bool {
	if g.host.own != nil {
		return g.host.own[a]
	}
	return slices.Contains(g.nodes[g.node].Addrs, a) && !g.podRanges.Contains(a)
}

// OwnAddrs returns the addresses of this node, in no order.
func (g *Graph) OwnAddrs() []netip.Addr {
	var own []netip.Addr
	for a := range g.host.own {
		own = append(own, a)
	}
	if g.host.own == nil {
		isOthers := func(a netip.Addr) bool { return !g.isOwn(a) }
		own = slices.DeleteFunc(slices.Clone(g.nodes[g.node].Addrs), isOthers)
	}
	return own
}

// claim records that a pod's object states its addresses.
func (g *Graph) claim(p *pod) {
	for _, a := range p.claimed.Addrs {
		g.claims[a] = append(g.claims[a], p)
	}
}

// unclaim takes back what claim recorded. It must be called before claimed changes.
func (g *Graph) unclaim(p *pod) {
	for _, a := range p.claimed.Addrs {
		isPod := func(other *pod) bool { return other == p }
		if g.claims[a] = slices.DeleteFunc(g.claims[a], isPod); len(g.claims[a]) == 0 {
			delete(g.claims, a)
		}
	}
}

// peerAt returns the pod that is the peer at an address: of the pods that claim it and
// can have it, the one that outranks the others; none where it is a node's.
func (g *Graph) peerAt(a netip.Addr) *pod {
	var best *pod
	for _, p := range g.claims[a] {
		if (best == nil || p.claimed.Outranks(*best.claimed)) && g.canHave(p, a) {
			best = p
		}
	}
	if best == nil || g.isNodes(a) {
		return nil
	}
	return best
}

// canHave reports whether an address that a pod claims can be its own, by the nodes'
// pod ranges.
func (g *Graph) canHave(p *pod, a netip.Addr) bool {
	return g.podRanges.CanBeOf(p.claimed.Node, a, g.anywhere)
}

// canBeSubject reports whether pods of this node can be subjects at an address. Only
// the kernel can rule that out: where the address is the node's own, or outside of the
// node's pod ranges and behind none of its pods' interfaces.
func (g *Graph) canBeSubject(a netip.Addr) bool {
	return !g.isOwn(a) &&
		(g.host.behind[a] || g.podRanges.CanBeSubject(g.node, a, g.anywhere))
}

// subjectsAt returns the pods of this node that are subjects at an address.
func (g *Graph) subjectsAt(a netip.Addr) []*pod {
	var subjects []*pod
	for _, p := range g.claims[a] {
		if p.claimed.Node == g.node {
			subjects = append(subjects, p)
		}
	}
	if len(subjects) > 0 && !g.canBeSubject(a) {
		return nil
	}
	return subjects
}

// updateSubject updates the addresses at which a pod is the only subject.
func (g *Graph) updateSubject(p *pod) {
	g.noteOutsideRanges(p)
	if p.claimed.Node != g.node && (p.localPod == nil || len(p.subject.Addrs) == 0) {
		return
	}
	if p.localPod == nil {
		p.localPod = &localPod{}
	}
	isSole := func(a netip.Addr) bool { return slices.Equal(g.subjectsAt(a), []*pod{p}) }
	subject := p.claimed.KeepAddrs(isSole)
	if !subject.Equal(p.subject) {
		p.subject = subject
		g.dirty[p] = true
	}
}

// noteOutsideRanges notes whether a pod claims an address outside of its node's pod
// ranges: a change of any node's ranges can decide over it.
func (g *Graph) noteOutsideRanges(p *pod) {
	isOutside := func(a netip.Addr) bool {
		_, inNodes := g.podRanges.Find(a, p.claimed.Node)
		return !inNodes
	}
	if slices.ContainsFunc(p.claimed.Addrs, isOutside) {
		g.outsideRanges[p] = true
	} else {
		delete(g.outsideRanges, p)
	}
}

// updateAddrs updates all pods that may have won or lost one of these addresses.
func (g *Graph) updateAddrs(addrs []netip.Addr) {
	for _, a := range addrs {
		for _, p := range g.claims[a] {
			g.updatePod(p)
		}
		g.updateAddr(a)
	}
}

// updateAddr updates what depends on who claims an address, other than these pods.
func (g *Graph) updateAddr(a netip.Addr) {
	subjects := g.subjectsAt(a)
	gone, departed := g.departed[a]
	if departed && len(subjects) > 0 {
		delete(g.departed, a)
		defer g.dropUnused(g.namespace(gone.Namespace))
	}
	g.updateStandIn(a, subjects)
	if g.strict && len(subjects) > 0 {
		g.knownAddrs.set(a, true)
	} else if g.strict {
		g.knownAddrs.delete(a)
	}
	g.updateDispute(a)
	g.pending.aliases = g.pending.aliases || g.podRanges.IsFirst(a)
}

// updateStandIn updates the pod that stands in for several pods of this node which
// claim an address, or for the departed pod that had it last.
func (g *Graph) updateStandIn(a netip.Addr, subjects []*pod) {
	var pods []policy.Pod
	if gone, is := g.departed[a]; is && !g.isOwn(a) {
		pods = []policy.Pod{gone}
	}
	if len(subjects) > 1 {
		for _, p := range subjects {
			pods = append(pods, *p.claimed)
		}
		slices.SortFunc(pods, comparePods)
	}
	p, exists := g.standIns[a]
	if !exists && len(pods) == 0 {
		return
	}
	if !exists {
		claimed := &policy.Pod{Key: policy.StandInKey(a), Addrs: []netip.Addr{a}}
		p = &pod{claimed: claimed, ns: g.standInNamespace, localPod: &localPod{}}
		g.standIns[a] = p
	}
	if !slices.EqualFunc(p.standsFor, pods, policy.Pod.Equal) {
		p.standsFor = pods
		g.dirty[p] = true
	}
}

// comparePods orders pods by namespace and name.
func comparePods(x, y policy.Pod) int { return x.Key.Compare(y.Key) }
