package graph

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

func (g *Graph) strictSets() []ruleset.Set {
	if !g.strict {
		return nil
	}
	ranges := slices.SortedFunc(maps.Keys(g.ranges.now), netip.Prefix.Compare)
	return ruleset.StrictSets(ranges, slices.SortedFunc(maps.Keys(g.known.now), netip.Addr.Compare))
}

// strictChanges says which members of the strict sets went and came; the sets themselves are always there.
func (g *Graph) strictChanges(d *ruleset.Delta) {
	var goneRanges, newRanges []netip.Prefix
	var goneAddrs, newAddrs []netip.Addr
	g.ranges.drain(func(p netip.Prefix, was, is *bool) {
		goneRanges, newRanges = appendIf(goneRanges, is == nil, p), appendIf(newRanges, was == nil && is != nil, p)
	})
	g.known.drain(func(a netip.Addr, was, is *bool) {
		goneAddrs, newAddrs = appendIf(goneAddrs, is == nil, a), appendIf(newAddrs, was == nil && is != nil, a)
	})
	d.DelMembers = append(d.DelMembers, membersOf(ruleset.StrictSets(goneRanges, goneAddrs))...)
	d.AddMembers = append(d.AddMembers, membersOf(ruleset.StrictSets(newRanges, newAddrs))...)
}

// membersOf turns sets into changes of their members; an empty one is none.
func membersOf(sets []ruleset.Set) []ruleset.Members {
	var changes []ruleset.Members
	for _, s := range sets {
		slices.SortFunc(s.Members, ruleset.Member.Compare)
		changes = appendIf(changes, len(s.Members) > 0, ruleset.Members{Set: s.ID, Members: s.Members})
	}
	return changes
}
