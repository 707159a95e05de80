package graph

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Segment returns what the kernel should hold for the bridges of this node, which are
// wired as w says. While there is no policy that a pod could get around, it holds
// nothing about pods.
func (g *Graph) Segment(w ruleset.Wiring) ruleset.Segment {
	s := ruleset.Segment{Routers: w.Routers, Ports: g.MarkPorts(w)}
	if s.Ports != nil {
		s.Taken = policy.Union(g.takenRanges())
	}
	return s
}

// MarkPorts returns the ports of bridges with what must hold at each.
func (g *Graph) MarkPorts(w ruleset.Wiring) []ruleset.Port {
	g.resolve()
	if !g.HasPolicies() && !g.strict {
		return nil
	}
	ports := slices.Clone(w.Ports)
	for i := range ports {
		g.markPort(&ports[i], w.Unfiltered)
	}
	return ports
}

// markPort says what must hold at one port, by the pods behind it. A port that nobody
// is known to be behind is that of a pod that has just started.
func (g *Graph) markPort(p *ruleset.Port, unfiltered bool) {
	for _, a := range p.Addrs {
		out, hasOut := g.isolatedBy(ruleset.Subject{Direction: ruleset.Egress, Addr: a})
		in, hasIn := g.isolatedBy(ruleset.Subject{Direction: ruleset.Ingress, Addr: a})
		p.Bound = p.Bound || hasOut || g.strict
		p.Isolated = p.Isolated || hasIn && !g.allowsAll(in)
		p.Closed = p.Closed || unfiltered && (p.Isolated || hasOut && !g.allowsAll(out))
	}
	p.Bound = p.Bound || p.Refused != ""
	if len(p.Addrs) == 0 {
		p.Closed = unfiltered && g.strict
	}
}

// allowsAll reports whether a chain lets everything pass: one of its steps does, and none before it
// does anything but allow.
func (g *Graph) allowsAll(id ruleset.ChainID) bool {
	c := g.chains.now[id]
	for _, s := range c.Steps {
		does, all := g.stepDoes(s)
		if all || does.Union(ruleset.ActionsOf(ruleset.Accept)).Count() > 1 {
			return all
		}
	}
	return c.End == ruleset.EndAccept
}

// stepDoes returns what a step can do to a packet, and whether it lets everything pass.
func (g *Graph) stepDoes(s ruleset.Step) (does ruleset.Actions, all bool) {
	switch s := s.(type) {
	case ruleset.Rule:
		return ruleset.ActionsOf(s.Action), s.Action == ruleset.Accept && s.MatchesAll()
	case ruleset.Call:
		return g.chainDoes(s.Chain), g.allowsAll(s.Chain)
	case ruleset.Lookup:
		return g.lookupDoes(s), false
	default:
		panic(fmt.Sprintf("no step: %T", s))
	}
}

// chainDoes returns what a chain, and those that it leads to, can do to a packet.
func (g *Graph) chainDoes(id ruleset.ChainID) ruleset.Actions {
	c := g.chains.now[id]
	does := c.Actions()
	for call := range c.Calls() {
		does = does.Union(g.chainDoes(call.Chain))
	}
	for lookup := range c.Lookups() {
		does = does.Union(g.lookupDoes(lookup))
	}
	return does
}

// lookupDoes returns what the chains that a port leads to can do to a packet: nothing where there is
// no such set.
func (g *Graph) lookupDoes(l ruleset.Lookup) ruleset.Actions {
	if known, exists := g.sets[l.Set]; exists {
		return known.source.Actions
	}
	return 0
}

// takenRanges returns the addresses that no pod may pretend to have: those of nodes,
// those in nodes' pod ranges, and those of this node's pods.
func (g *Graph) takenRanges() []ruleset.Range {
	var taken []ruleset.Range
	for _, n := range g.allNodes() {
		for _, p := range n.CIDRs {
			taken = append(taken, ruleset.RangeOf(p))
		}
	}
	addrs := slices.Concat(slices.Collect(maps.Keys(g.nodeAddrs)), g.OwnAddrs(), g.LocalAddrs())
	for _, a := range addrs {
		taken = append(taken, ruleset.Range{First: a, Last: a})
	}
	return taken
}

// HasPolicies reports whether there is a policy in any namespace.
func (g *Graph) HasPolicies() bool { return g.policies > 0 }

// IsSubject reports whether a policy isolates a pod of this node that claims an address,
// also where the pod can't have it by the ranges of nodes: its packets may come from
// there all the same.
func (g *Graph) IsSubject(a netip.Addr) bool {
	return slices.ContainsFunc(ruleset.Directions[:], func(d ruleset.Direction) bool {
		_, isolated := g.isolatedBy(ruleset.Subject{Direction: d, Addr: a})
		return isolated || slices.ContainsFunc(g.claims[a], func(p *pod) bool {
			return p.claimed.Node == g.node &&
				g.deciding(*p.claimed, d).Effect == policy.Isolates
		})
	})
}

// isolatedBy returns the chain that isolates a subject. Audited policies isolate nobody.
func (g *Graph) isolatedBy(s ruleset.Subject) (id ruleset.ChainID, isolated bool) {
	id, isolated = g.dispatch.now[s]
	return id, isolated && g.chains.now[id].End != ruleset.EndAudit
}

// PodAt names a pod of this node that claims an address; it is empty if none does.
func (g *Graph) PodAt(a netip.Addr) string {
	for _, p := range g.claims[a] {
		if p.claimed.Node == g.node {
			return p.claimed.Key.String()
		}
	}
	return ""
}
