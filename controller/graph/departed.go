package graph

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// keepAddrs remembers the addresses that a pod of this node is about to lose; see
// KeepDeparted.
func (g *Graph) keepAddrs(old, now policy.Pod) {
	if !g.keepDeparted || old.Node != g.node {
		return
	}
	for _, a := range old.Addrs {
		stays := now.Node == g.node && slices.Contains(now.Addrs, a)
		if !stays && g.canBeSubject(a) {
			g.departed[a] = old.KeepAddrs(func(other netip.Addr) bool { return other == a })
		}
	}
}

// setIsolated takes over who was isolated before this graph was made. An address where
// it has no subject is that of a departed pod: it is denied everything in the
// directions in which it was isolated.
func (g *Graph) setIsolated(subjects []ruleset.Subject) {
	if !g.keepDeparted {
		return
	}
	was := map[netip.Addr]policy.Isolated{}
	for _, s := range subjects {
		_, known := g.departed[s.Addr]
		if !known && !g.isOwn(s.Addr) && len(g.subjectsAt(s.Addr)) == 0 {
			in := was[s.Addr]
			in[s.Direction] = true
			was[s.Addr] = in
		}
	}
	var addrs []netip.Addr
	for a, in := range was {
		g.departed[a] = policy.Unnamed(a, g.node, in)
		addrs = append(addrs, a)
	}
	// No object states these policies, so they count as deleted: they go with the last such pod.
	for _, p := range policy.UnnamedPolicies() {
		g.setPolicy(p)
		g.deletePolicy(p.Key)
	}
	g.updateAddrs(addrs)
}
