package graph

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Segment returns what should hold on the bridges of this node, where these ports were found: nothing while there is
// no policy that a pod could get around.
func (g *Graph) Segment(ports []ruleset.Port) ruleset.Segment {
	g.resolve()
	if !g.HasPolicies() {
		return ruleset.Segment{}
	}
	s := ruleset.Segment{Taken: policy.Union(g.takenRanges())}
	for _, p := range ports {
		p.Isolated = slices.ContainsFunc(p.Addrs, g.isolated)
		s.Ports = append(s.Ports, p)
	}
	return s
}

// HasPolicies reports whether there is a policy in any namespace.
func (g *Graph) HasPolicies() bool { return g.policies > 0 }

func (g *Graph) isolated(a netip.Addr) bool {
	_, isolated := g.dispatch.now[ruleset.Subject{Direction: ruleset.Ingress, Addr: a}]
	return isolated
}

// takenRanges are the addresses of the nodes, of their pods as far as the nodes say, and of this node's pods.
func (g *Graph) takenRanges() []ruleset.Range {
	var taken []ruleset.Range
	for _, n := range g.allNodes() {
		for _, p := range n.CIDRs {
			taken = append(taken, ruleset.RangeOf(p))
		}
	}
	addrs := slices.Concat(slices.Collect(maps.Keys(g.nodeAddrs)), g.ownAddrs(), g.LocalAddrs())
	for _, a := range addrs {
		taken = append(taken, ruleset.Range{First: a, Last: a})
	}
	return taken
}
