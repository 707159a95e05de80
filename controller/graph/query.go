package graph

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// Snapshot returns all that is known, in no particular order. A policy that was deleted
// from a terminating namespace and is still in force is part of it.
func (g *Graph) Snapshot() compile.Snapshot {
	s := compile.Snapshot{
		Node: g.node, Form: g.form.Form, Denial: g.form.Denial, MergeAbove: g.form.MergeAbove,
		Budgets: g.form.Budgets, Strict: g.strict, Anywhere: g.anywhere,
		Links: g.hostLinks, TunnelPorts: g.tunnelPorts, Found: g.host.ranges,
		Behind: slices.Collect(maps.Keys(g.host.behind)),
		Nodes:  g.allNodes(), Departed: slices.Collect(maps.Values(g.departed)),
	}
	if g.host.own != nil {
		s.Own = slices.AppendSeq([]netip.Addr{}, maps.Keys(g.host.own))
	}
	for _, ns := range g.namespaces {
		s.Namespaces = append(s.Namespaces, ns.Namespace)
		for _, p := range ns.policies {
			s.Policies = append(s.Policies, p.stated)
		}
		for p := range ns.pods {
			s.Pods = append(s.Pods, *p.claimed)
		}
	}
	return s
}

// Pod returns a pod that counts as its object says, and one without addresses where
// there is none.
func (g *Graph) Pod(key policy.Key) policy.Pod {
	if p, known := g.pods[key]; known {
		return *p.claimed
	}
	return policy.Pod{Key: key}
}

// IsPeer reports whether a pod is the peer at an address.
func (g *Graph) IsPeer(a netip.Addr) bool { return g.peerAt(a) != nil }

// IsLocal reports whether a pod of this node claims an address.
func (g *Graph) IsLocal(a netip.Addr) bool { return g.PodAt(a) != "" }

// IsDisputed reports whether several pods claim an address.
func (g *Graph) IsDisputed(a netip.Addr) bool { return len(g.claims[a]) > 1 }

// InOwnRange reports whether an address is in a pod range of this node.
func (g *Graph) InOwnRange(a netip.Addr) bool {
	_, own := g.podRanges.Find(a, g.node)
	return own
}

// IsUnused reports whether an address could be that of a pod of this node, and nobody has it, not
// even a pod that is gone from the API only.
func (g *Graph) IsUnused(a netip.Addr) bool {
	_, departed := g.departed[a]
	return len(g.claims[a]) == 0 && !departed && g.canBeSubject(a)
}

// LocalEvents counts the events that were about pods of this node.
func (g *Graph) LocalEvents() int { return g.localEvents }

// LocalAddrs returns the addresses at which pods of this node, or stand-ins, are
// subjects, sorted.
func (g *Graph) LocalAddrs() []netip.Addr {
	g.doPending()
	var addrs []netip.Addr
	for p := range g.localPods {
		if p.localPod != nil {
			addrs = append(addrs, p.subject.Addrs...)
		}
	}
	for a, p := range g.standIns {
		addrs = appendIf(addrs, len(p.standsFor) > 0, a)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs
}

// ClaimedAddrs returns the addresses at which pods of this node are subjects, and the
// others that they claim, but the node's own; sorted.
func (g *Graph) ClaimedAddrs() []netip.Addr {
	addrs := slices.Concat(g.LocalAddrs(), g.Questions())
	addrs = slices.DeleteFunc(addrs, g.isOwn)
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// Subjects returns the addresses that are dispatched to a chain, or to one that calls it.
func (g *Graph) Subjects(id ruleset.ChainID) []netip.Addr {
	var addrs []netip.Addr
	for s, chain := range g.dispatch.now {
		if g.leadsTo(chain, id) {
			addrs = append(addrs, s.Addr)
		}
	}
	return addrs
}

// leadsTo reports whether a chain is the other one, or calls it or one that leads there. Where ports
// lead is left out: the ID of a chain of peers says all that is in it, so that it never changes.
func (g *Graph) leadsTo(from, to ruleset.ChainID) bool {
	if from == to {
		return true
	}
	for call := range g.chains.now[from].Calls() {
		if g.leadsTo(call.Chain, to) {
			return true
		}
	}
	return false
}

// Counts is how much a graph holds. Elements are the members of all sets.
type Counts struct {
	Namespaces, Pods, LocalPods, Policies, Selectors, Sets, Chains, Elements int
}

// Counts returns how much the graph holds; it costs a look at every namespace and set.
func (g *Graph) Counts() Counts {
	g.resolve()
	c := Counts{
		Namespaces: len(g.namespaces), Pods: len(g.pods), LocalPods: len(g.localPods),
		Selectors: len(g.selectors), Sets: len(g.sets), Chains: len(g.chains.now),
	}
	for _, ns := range g.namespaces {
		c.Policies += len(ns.policies)
	}
	for _, s := range g.sets {
		c.Elements += len(s.source.Ranges)
		for _, sel := range s.selectors {
			c.Elements += sel.count()
		}
	}
	return c
}
