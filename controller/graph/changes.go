package graph

import (
	"cmp"
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Changes returns what changed in the wanted program since Changes was last called.
func (g *Graph) Changes() ruleset.Delta {
	g.resolve()
	var d ruleset.Delta
	g.links.drain(func(link string, was, is *bool) {
		d.DelLinks = appendIf(d.DelLinks, was != nil && is == nil, link)
		d.AddLinks = appendIf(d.AddLinks, was == nil && is != nil, link)
	})
	g.dispatch.drain(func(s ruleset.Subject, was, is *ruleset.ChainID) { redispatch(&d, s, was, is) })
	g.chains.drain(func(id ruleset.ChainID, was, is *ruleset.Chain) { rechain(&d, id, was, is) })
	for s := range g.stale {
		g.reset(&d, s)
	}
	g.stale = emptied(g.stale)
	g.fixedChanges(&d)
	g.strictChanges(&d)
	sortDelta(&d)
	return d
}

func redispatch(d *ruleset.Delta, s ruleset.Subject, was, is *ruleset.ChainID) {
	if was != nil && is != nil && *was == *is {
		return
	}
	if was != nil {
		d.DelDispatch = append(d.DelDispatch, ruleset.Dispatch{Direction: s.Direction, Addr: s.Addr, Chain: *was})
	}
	if is != nil {
		d.AddDispatch = append(d.AddDispatch, ruleset.Dispatch{Direction: s.Direction, Addr: s.Addr, Chain: *is})
	}
}

func rechain(d *ruleset.Delta, id ruleset.ChainID, was, is *ruleset.Chain) {
	switch {
	case is == nil:
		d.DelChains = append(d.DelChains, id)
	case was == nil || !was.Equal(*is):
		d.PutChains = append(d.PutChains, ruleset.PutChain{Chain: *is, New: was == nil})
	}
}

// reset says what becomes of a set that was touched.
func (g *Graph) reset(d *ruleset.Delta, s *set) {
	switch {
	case s.users == 0:
		g.drop(s)
		d.DelSets = appendIf(d.DelSets, s.sent, s.source.ID)
		if s.sent && s.source.ID.Leads() { // what leads to chains goes before these do
			d.DelMembers = append(d.DelMembers, ruleset.Members{Set: s.source.ID, Members: s.handedOut()})
		}
	case !s.sent:
		s.sent = true
		d.AddSets = append(d.AddSets, s.value())
	default:
		del, add := s.moved()
		d.DelMembers = appendIf(d.DelMembers, len(del) > 0, ruleset.Members{Set: s.source.ID, Members: del})
		d.AddMembers = appendIf(d.AddMembers, len(add) > 0, ruleset.Members{Set: s.source.ID, Members: add})
	}
	s.pending = emptied(s.pending)
}

// handedOut returns the members of a set that does not depend on pods as they were handed out.
func (s *set) handedOut() []ruleset.Member {
	held := map[ruleset.Member]bool{}
	for _, m := range s.source.Fixed() {
		held[m] = true
	}
	for m, sum := range s.pending {
		if sum > 0 {
			delete(held, m)
		} else if sum < 0 {
			held[m] = true
		}
	}
	return slices.SortedFunc(maps.Keys(held), ruleset.Member.Compare)
}

// moved returns the members that went and came since the set was handed out.
func (s *set) moved() (del, add []ruleset.Member) {
	for m, sum := range s.pending {
		del = appendIf(del, sum < 0, m)
		add = appendIf(add, sum > 0, m)
	}
	slices.SortFunc(del, ruleset.Member.Compare)
	slices.SortFunc(add, ruleset.Member.Compare)
	return del, add
}

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

func appendIf[T any](list []T, condition bool, item T) []T {
	if condition {
		return append(list, item)
	}
	return list
}
