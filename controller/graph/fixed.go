package graph

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// fixedMember is a member of a fixed set: one that every program has, whatever policies
// there are.
type fixedMember struct {
	set    ruleset.SetID
	member ruleset.Member
}

// fixedMembersOf returns the members of fixed sets, each with its set.
func fixedMembersOf(sets []ruleset.Set) []fixedMember {
	var members []fixedMember
	for _, s := range sets {
		for _, m := range s.Members {
			members = append(members, fixedMember{s.ID, m})
		}
	}
	return members
}

// setLinks replaces the interfaces that lead to this node's pods. The program forbids
// pods some packets by the names of their interfaces; one that is shared with others is
// left out of these.
func (g *Graph) setLinks(links []ruleset.Link) {
	var names []string
	for _, l := range links {
		names = appendIf(names, !l.Shared, l.Name)
	}
	g.links.replace(names)
	g.replaceFixed(ruleset.LinkSets(g.hostLinks), ruleset.LinkSets(links))
	g.hostLinks = links
}

// setTunnelPorts replaces where the node unpacks tunnelled packets.
func (g *Graph) setTunnelPorts(tunnels []ruleset.Tunnel) {
	g.replaceFixed(ruleset.TunnelSets(g.tunnelPorts), ruleset.TunnelSets(tunnels))
	g.tunnelPorts = tunnels
}

// setReached replaces addresses at which pods reach one node. Several nodes can have
// the same.
func (g *Graph) setReached(node string, was, is []netip.Addr) {
	for _, a := range was {
		delete(g.reached[a], node)
	}
	for _, a := range is {
		if g.reached[a] == nil {
			g.reached[a] = map[string]bool{}
		}
		g.reached[a][node] = true
	}
	for _, a := range slices.Concat(was, is) {
		m := fixedMembersOf(ruleset.NodeSets([]netip.Addr{a}))[0]
		if len(g.reached[a]) > 0 {
			g.fixed.set(m, true)
		} else {
			delete(g.reached, a)
			g.fixed.delete(m)
		}
	}
}

// replaceFixed replaces members of fixed sets by others.
func (g *Graph) replaceFixed(was, is []ruleset.Set) {
	old := map[fixedMember]bool{}
	for _, m := range fixedMembersOf(was) {
		old[m] = true
	}
	for _, m := range fixedMembersOf(is) {
		if !old[m] {
			g.fixed.set(m, true)
		}
		delete(old, m)
	}
	for m := range old {
		g.fixed.delete(m)
	}
}

// fixedSets returns the fixed sets that have members.
func (g *Graph) fixedSets() []ruleset.Set {
	members := map[ruleset.SetID][]ruleset.Member{}
	for m := range g.fixed.now {
		members[m.set] = append(members[m.set], m.member)
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

// addFixedChanges adds which members of the fixed sets came and went. The sets
// themselves are always there.
func (g *Graph) addFixedChanges(d *ruleset.Delta) {
	gone, come := map[ruleset.SetID][]ruleset.Member{}, map[ruleset.SetID][]ruleset.Member{}
	g.fixed.drain(func(m fixedMember, was, is *bool) {
		if was != nil && is == nil {
			gone[m.set] = append(gone[m.set], m.member)
		}
		if was == nil && is != nil {
			come[m.set] = append(come[m.set], m.member)
		}
	})
	for _, s := range ruleset.FixedSets() {
		addMembersOf(d, []ruleset.Set{{ID: s.ID, Members: gone[s.ID]}},
			[]ruleset.Set{{ID: s.ID, Members: come[s.ID]}})
	}
}
