package graph

import (
	"cmp"
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Changes returns what changed in the program since Changes was last called.
func (g *Graph) Changes() ruleset.Delta {
	g.resolve()
	var d ruleset.Delta
	g.links.drain(func(link string, was, is *bool) {
		d.DelLinks = appendIf(d.DelLinks, was != nil && is == nil, link)
		d.AddLinks = appendIf(d.AddLinks, was == nil && is != nil, link)
	})
	g.dispatch.drain(func(s ruleset.Subject, was, is *ruleset.ChainID) {
		addDispatchChange(&d, s, was, is)
	})
	g.chains.drain(func(id ruleset.ChainID, was, is *ruleset.Chain) {
		addChainChange(&d, id, was, is)
	})
	for s := range g.changedSets {
		g.addSetChange(&d, s)
	}
	g.changedSets = emptied(g.changedSets)
	g.addFixedChanges(&d)
	g.addStrictChanges(&d)
	sortDelta(&d)
	return d
}

// addDispatchChange adds what became of an address. The kernel needs the old entry to
// delete it.
func addDispatchChange(d *ruleset.Delta, s ruleset.Subject, was, is *ruleset.ChainID) {
	if was != nil && is != nil && *was == *is {
		return
	}
	to := func(chain ruleset.ChainID) ruleset.Dispatch {
		return ruleset.Dispatch{Direction: s.Direction, Addr: s.Addr, Chain: chain}
	}
	if was != nil {
		d.DelDispatch = append(d.DelDispatch, to(*was))
	}
	if is != nil {
		d.AddDispatch = append(d.AddDispatch, to(*is))
	}
}

// addChainChange adds what became of a chain: a chain that changed is written as a
// whole.
func addChainChange(d *ruleset.Delta, id ruleset.ChainID, was, is *ruleset.Chain) {
	switch {
	case is == nil:
		d.DelChains = append(d.DelChains, id)
	case was == nil || !was.Equal(*is):
		d.PutChains = append(d.PutChains, ruleset.PutChain{Chain: *is, New: was == nil})
	}
}

// addSetChange adds what became of a set that changed. A set without users is dropped
// here.
func (g *Graph) addSetChange(d *ruleset.Delta, s *set) {
	id := s.source.ID
	switch {
	case s.users == 0:
		g.dropSet(s)
		d.DelSets = appendIf(d.DelSets, s.sent, id)
		if s.sent && id.Leads() { // its members must go before the chains that they lead to
			gone := ruleset.Removed(id, s.sentMembers(), s.source.Actions)
			d.DelMembers = append(d.DelMembers, gone)
		}
	case !s.sent:
		s.sent = true
		d.AddSets = append(d.AddSets, s.value())
	default:
		del, add := s.moved()
		gone, come := ruleset.Removed(id, del, s.source.Actions), ruleset.Added(id, add, s.source.Actions)
		d.DelMembers = appendIf(d.DelMembers, len(del) > 0, gone)
		d.AddMembers = appendIf(d.AddMembers, len(add) > 0, come)
	}
	s.pending = emptied(s.pending)
}

// sentMembers returns the members that Changes returned of a set which does not depend
// on pods.
func (s *set) sentMembers() []ruleset.Member {
	members := map[ruleset.Member]bool{}
	for _, m := range s.source.Fixed() {
		members[m] = true
	}
	for m, sum := range s.pending {
		if sum > 0 {
			delete(members, m)
		} else if sum < 0 {
			members[m] = true
		}
	}
	return slices.SortedFunc(maps.Keys(members), ruleset.Member.Compare)
}

// moved returns the members that went and came since Changes returned the set.
func (s *set) moved() (del, add []ruleset.Member) {
	for m, sum := range s.pending {
		del = appendIf(del, sum < 0, m)
		add = appendIf(add, sum > 0, m)
	}
	slices.SortFunc(del, ruleset.Member.Compare)
	slices.SortFunc(add, ruleset.Member.Compare)
	return del, add
}

// sortDelta sorts a delta, so that equal changes have equal texts whatever the order of
// maps.
func sortDelta(d *ruleset.Delta) {
	slices.Sort(d.DelLinks)
	slices.Sort(d.AddLinks)
	slices.Sort(d.DelChains)
	slices.SortFunc(d.DelDispatch, ruleset.Dispatch.Compare)
	slices.SortFunc(d.AddDispatch, ruleset.Dispatch.Compare)
	slices.SortFunc(d.DelSets, ruleset.SetID.Compare)
	slices.SortFunc(d.AddSets, func(a, b ruleset.Set) int { return a.ID.Compare(b.ID) })
	slices.SortFunc(d.PutChains, func(a, b ruleset.PutChain) int { return cmp.Compare(a.ID, b.ID) })
	for _, members := range [][]ruleset.Members{d.DelMembers, d.AddMembers} {
		slices.SortFunc(members, func(a, b ruleset.Members) int { return a.Set.Compare(b.Set) })
	}
}

// appendIf appends an item to a list if the condition holds.
func appendIf[T any](list []T, condition bool, item T) []T {
	if condition {
		return append(list, item)
	}
	return list
}
