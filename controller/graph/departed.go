package graph

import (
	"maps"
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
// directions in which it was isolated. So is a pod whose policies have gone while its
// namespace terminates.
func (g *Graph) setIsolated(dispatch map[ruleset.Subject]ruleset.ChainID) {
	if !g.keepDeparted {
		return
	}
	was := map[netip.Addr]policy.Isolated{}
	var gone []*policy.Policy
	for s, chain := range dispatch {
		_, known := g.departed[s.Addr]
		switch subjects := g.subjectsAt(s.Addr); {
		case len(subjects) == 1 && g.hasLostPolicies(subjects[0], s.Direction, chain):
			gone = append(gone, policy.LostPolicy(*subjects[0].claimed, s.Direction))
		case len(subjects) == 0 && !known && !g.isOwn(s.Addr):
			in := was[s.Addr]
			in[s.Direction] = true
			was[s.Addr] = in
		}
	}
	for a, in := range was {
		g.departed[a] = policy.Unnamed(a, g.node, in)
	}
	if len(was) > 0 {
		gone = append(gone, policy.UnnamedPolicies()...)
	}
	// No object states these policies, so they count as deleted: they go with the last such pod.
	for _, p := range gone {
		g.setPolicy(p)
		g.deletePolicy(p.Key)
	}
	g.updateAddrs(slices.Collect(maps.Keys(was)))
}

// hasLostPolicies reports whether a pod that the kernel has a chain for is free only
// because its namespace terminates, and its policies went before it.
func (g *Graph) hasLostPolicies(p *pod, d ruleset.Direction, chain ruleset.ChainID) bool {
	return p.ns.Terminating && chain == ruleset.NewChainID(d, p.claimed.Namespace, p.claimed.Name) &&
		g.deciding(*p.claimed, d).Effect == policy.Frees
}
