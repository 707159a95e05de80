package graph

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// isNodes reports whether an address is a node's and so no pod's: one of this node as its kernel says, or one that a Node
// object states, unless it is in a pod range.
func (g *Graph) isNodes(a netip.Addr) bool {
	return g.isOwn(a) || g.nodeAddrs[a] > 0 && !g.podRanges.Within(a)
}

// isOwn reports whether an address is this node's. Until the kernel was asked its Node object is believed.
func (g *Graph) isOwn(a netip.Addr) bool {
	if g.host.own != nil {
		return g.host.own[a]
	}
	return slices.Contains(g.nodes[g.node].Addrs, a) && !g.podRanges.Within(a)
}

// OwnAddrs returns the addresses of this node, in no order.
func (g *Graph) OwnAddrs() []netip.Addr { return g.ownAddrs() }

// ownAddrs returns the addresses of this node.
func (g *Graph) ownAddrs() []netip.Addr {
	var own []netip.Addr
	for a := range g.host.own {
		own = append(own, a)
	}
	if g.host.own == nil {
		own = slices.DeleteFunc(slices.Clone(g.nodes[g.node].Addrs), func(a netip.Addr) bool { return !g.isOwn(a) })
	}
	return own
}

// possible reports whether pods of this node can be judged by an address. Nobody else's word counts here, only that of
// the kernel: the address is not if it is the node's own, or outside of its pods' range and behind none of their
// interfaces.
func (g *Graph) possible(a netip.Addr) bool {
	return !g.isOwn(a) && (g.host.behind[a] || g.podRanges.CanBeSubject(g.node, a, g.anywhere))
}

// residentsAt returns the pods of this node that are judged by an address.
func (g *Graph) residentsAt(a netip.Addr) []*pod {
	var local []*pod
	for _, p := range g.claims[a] {
		if p.claimed.Node == g.node {
			local = append(local, p)
		}
	}
	if len(local) > 0 && !g.possible(a) {
		return nil
	}
	return local
}

// judge says by which addresses a pod is judged alone.
func (g *Graph) judge(p *pod) {
	g.loosen(p)
	if p.claimed.Node != g.node && (p.part == nil || len(p.subject.Addrs) == 0) {
		return
	}
	if p.part == nil {
		p.part = &part{}
	}
	subject := p.claimed.Holding(func(a netip.Addr) bool { return slices.Equal(g.residentsAt(a), []*pod{p}) })
	if !subject.Equal(p.subject) {
		p.subject = subject
		g.dirty[p] = true
	}
}

// loosen notes whether a pod claims an address outside of its node's ranges.
func (g *Graph) loosen(p *pod) {
	stray := func(a netip.Addr) bool {
		_, its := g.podRanges.Holds(a, p.claimed.Node)
		return !its
	}
	if slices.ContainsFunc(p.claimed.Addrs, stray) {
		g.loose[p] = true
	} else {
		delete(g.loose, p)
	}
}

// settleAddress brings up to date what depends on who claims an address, beside these pods.
func (g *Graph) settleAddress(a netip.Addr) {
	local := g.residentsAt(a)
	gone, departed := g.departed[a]
	if departed && len(local) > 0 {
		delete(g.departed, a)
		defer g.vacate(g.namespace(gone.Namespace))
	}
	g.stand(a, local)
	if g.strict && len(local) > 0 {
		g.known.set(a, true)
	} else if g.strict {
		g.known.delete(a)
	}
	g.dispute(a)
	g.due.tunnels = g.due.tunnels || g.podRanges.Starts(a)
}

// stand has somebody judged for several pods of this node that claim an address, or for one that had it last.
func (g *Graph) stand(a netip.Addr, local []*pod) {
	var stands []policy.Pod
	if gone, is := g.departed[a]; is && !g.isOwn(a) {
		stands = []policy.Pod{gone}
	}
	if len(local) > 1 {
		for _, p := range local {
			stands = append(stands, *p.claimed)
		}
		slices.SortFunc(stands, func(x, y policy.Pod) int { return x.Key.Compare(y.Key) })
	}
	p, exists := g.standIns[a]
	if !exists && len(stands) == 0 {
		return
	}
	if !exists {
		p = &pod{claimed: &policy.Pod{Key: policy.StandInKey(a), Addrs: []netip.Addr{a}}, ns: g.outside, part: &part{}}
		g.standIns[a] = p
	}
	if !slices.EqualFunc(p.stands, stands, policy.Pod.Equal) {
		p.stands = stands
		g.dirty[p] = true
	}
}

// depart remembers the addresses that a pod of this node is about to lose.
func (g *Graph) depart(old, now policy.Pod) {
	if !g.keeps || old.Node != g.node {
		return
	}
	for _, a := range old.Addrs {
		keeps := now.Node == g.node && slices.Contains(now.Addrs, a)
		if !keeps && g.possible(a) {
			g.departed[a] = old.Holding(func(other netip.Addr) bool { return other == a })
		}
	}
}

// host is what the kernel of this node has said.
type host struct {
	own    map[netip.Addr]bool // nil: nothing yet
	ranges []netip.Prefix
	behind map[netip.Addr]bool
}

func (g *Graph) setHost(own []netip.Addr, ranges []netip.Prefix) {
	old := g.ownAddrs()
	g.host.own, g.host.ranges = nil, ranges
	if own != nil {
		g.host.own = map[netip.Addr]bool{}
	}
	for _, a := range own {
		g.host.own[a] = true
	}
	g.settle(changedAddrs(old, g.ownAddrs()))
	g.restrict()
}

// changedAddrs returns what is in one of two lists.
func changedAddrs(a, b []netip.Addr) []netip.Addr {
	inBoth := map[netip.Addr]int{}
	for _, addr := range slices.Concat(a, b) {
		inBoth[addr]++
	}
	return slices.DeleteFunc(slices.Concat(a, b), func(addr netip.Addr) bool { return inBoth[addr] > 1 })
}

// Questions returns the addresses of which only the kernel can tell whether a pod of this node has them: those that were
// a pod's which is gone, and those that a pod claims and that are not of the node's pod range.
func (g *Graph) Questions() []netip.Addr {
	g.catchUp()
	var addrs []netip.Addr
	for a := range g.departed {
		addrs = append(addrs, a)
	}
	for p := range g.loose {
		if p.claimed.Node != g.node {
			continue
		}
		for _, a := range p.claimed.Addrs {
			if !g.podRanges.CanBeSubject(g.node, a, g.anywhere) {
				addrs = append(addrs, a)
			}
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

func (g *Graph) setBehind(addrs []netip.Addr) {
	behind := map[netip.Addr]bool{}
	for _, a := range addrs {
		behind[a] = true
	}
	var touched []netip.Addr
	for a := range g.host.behind {
		touched = appendIf(touched, !behind[a], a)
	}
	for a := range behind {
		touched = appendIf(touched, !g.host.behind[a], a)
	}
	left := map[string]bool{}
	for a, p := range g.departed {
		if !behind[a] {
			delete(g.departed, a)
			touched, left[p.Namespace] = append(touched, a), true
		}
	}
	g.host.behind = behind
	g.settle(touched)
	for name := range left {
		g.vacate(g.namespace(name))
	}
}

// dispute notes whether an address is claimed by somebody whose it can't be, or by several.
func (g *Graph) dispute(a netip.Addr) {
	claims := g.claims[a]
	disputed := len(claims) > 1 || g.nodeAddrs[a] > 0 && g.podRanges.Within(a)
	for _, p := range claims {
		disputed = disputed || g.isNodes(a) || !g.podRanges.CanBeOf(p.claimed.Node, a, g.anywhere)
	}
	if disputed || g.disputed[a] {
		g.disputes++
	}
	if delete(g.disputed, a); disputed {
		g.disputed[a] = true
	}
}

// DisputeChanges counts changes of what Disputes tells.
func (g *Graph) DisputeChanges() int {
	g.catchUp()
	return g.disputes
}

// DisputeCount is how many addresses are disputed.
func (g *Graph) DisputeCount() int { return len(g.disputed) }

// Dispute is an address that several claim, or somebody whose it can't be.
type Dispute struct {
	Addr  netip.Addr
	Pods  []policy.Pod // that claim it, sorted
	Nodes []string     // whose objects state it, sorted
	Range []string     // nodes whose pod range has it
	Own   bool         // it is this node's own
}

// Disputes returns how many addresses are disputed, and some of them: the first by address.
func (g *Graph) Disputes(most int) (count int, some []Dispute) {
	g.catchUp()
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

func (g *Graph) disputeOf(a netip.Addr) Dispute {
	d := Dispute{Addr: a, Own: g.isOwn(a)}
	for _, p := range g.claims[a] {
		d.Pods = append(d.Pods, *p.claimed)
	}
	for name, n := range g.nodes {
		d.Nodes = appendIf(d.Nodes, slices.Contains(n.Addrs, a), name)
		_, its := g.podRanges.Holds(a, name)
		d.Range = appendIf(d.Range, its, name)
	}
	slices.SortFunc(d.Pods, func(x, y policy.Pod) int { return x.Key.Compare(y.Key) })
	slices.Sort(d.Nodes)
	slices.Sort(d.Range)
	return d
}
