package graph

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// element is a member of a fixed set.
type element struct {
	set    ruleset.SetID
	member ruleset.Member
}

func elementsOf(sets []ruleset.Set) []element {
	var elements []element
	for _, s := range sets {
		for _, m := range s.Members {
			elements = append(elements, element{s.ID, m})
		}
	}
	return elements
}

// setLinks takes over behind which interfaces pods sit. What a pod may not say may come from others by one that is
// shared.
func (g *Graph) setLinks(links []ruleset.Link) {
	var names []string
	for _, l := range links {
		names = appendIf(names, !l.Shared, l.Name)
	}
	g.links.replace(names)
	g.exchange(ruleset.LinkSets(g.linked), ruleset.LinkSets(links))
	g.linked = links
}

// setTunnelPorts takes over where the node unpacks tunnels.
func (g *Graph) setTunnelPorts(tunnels []ruleset.Tunnel) {
	g.exchange(ruleset.TunnelSets(g.tunnelPorts), ruleset.TunnelSets(tunnels))
	g.tunnelPorts = tunnels
}

// setReached replaces addresses by which one node is reached by others.
func (g *Graph) setReached(was, is []netip.Addr) {
	for _, a := range was {
		g.reached[a]--
	}
	for _, a := range is {
		g.reached[a]++
	}
	for _, a := range slices.Concat(was, is) {
		e := elementsOf(ruleset.NodeSets([]netip.Addr{a}))[0]
		if g.reached[a] > 0 {
			g.fixed.set(e, true)
		} else {
			delete(g.reached, a)
			g.fixed.delete(e)
		}
	}
}

// exchange replaces members of fixed sets by others.
func (g *Graph) exchange(was, is []ruleset.Set) {
	old := map[element]bool{}
	for _, e := range elementsOf(was) {
		old[e] = true
	}
	for _, e := range elementsOf(is) {
		if !old[e] {
			g.fixed.set(e, true)
		}
		delete(old, e)
	}
	for e := range old {
		g.fixed.delete(e)
	}
}

// fixedSets returns the fixed sets that have members.
func (g *Graph) fixedSets() []ruleset.Set {
	members := map[ruleset.SetID][]ruleset.Member{}
	for e := range g.fixed.now {
		members[e.set] = append(members[e.set], e.member)
	}
	var sets []ruleset.Set
	for _, s := range ruleset.FixedSets() {
		if s.Members = members[s.ID]; len(s.Members) > 0 {
			slices.SortFunc(s.Members, ruleset.Member.Compare)
			sets = append(sets, s)
		}
	}
	return sets
}

// fixedChanges says which members of the fixed sets went and came; the sets themselves are always there.
func (g *Graph) fixedChanges(d *ruleset.Delta) {
	gone, come := map[ruleset.SetID][]ruleset.Member{}, map[ruleset.SetID][]ruleset.Member{}
	g.fixed.drain(func(e element, was, is *bool) {
		if was != nil && is == nil {
			gone[e.set] = append(gone[e.set], e.member)
		}
		if was == nil && is != nil {
			come[e.set] = append(come[e.set], e.member)
		}
	})
	for _, s := range ruleset.FixedSets() {
		d.DelMembers = append(d.DelMembers, membersOf([]ruleset.Set{{ID: s.ID, Members: gone[s.ID]}})...)
		d.AddMembers = append(d.AddMembers, membersOf([]ruleset.Set{{ID: s.ID, Members: come[s.ID]}})...)
	}
}
