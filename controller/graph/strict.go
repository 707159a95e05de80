package graph

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// strictSets returns the sets by which a strict program tells known pods from unknown
// ones.
func (g *Graph) strictSets() []ruleset.Set {
	if !g.strict {
		return nil
	}
	ranges := slices.SortedFunc(maps.Keys(g.ranges.now), netip.Prefix.Compare)
	known := slices.SortedFunc(maps.Keys(g.knownAddrs.now), netip.Addr.Compare)
	return ruleset.StrictSets(ranges, known)
}

// addStrictChanges adds which members of the strict sets came and went. The sets
// themselves are always there.
func (g *Graph) addStrictChanges(d *ruleset.Delta) {
	var goneRanges, newRanges []netip.Prefix
	var goneAddrs, newAddrs []netip.Addr
	g.ranges.drain(func(p netip.Prefix, was, is *bool) {
		goneRanges = appendIf(goneRanges, is == nil, p)
		newRanges = appendIf(newRanges, was == nil && is != nil, p)
	})
	g.knownAddrs.drain(func(a netip.Addr, was, is *bool) {
		goneAddrs = appendIf(goneAddrs, is == nil, a)
		newAddrs = appendIf(newAddrs, was == nil && is != nil, a)
	})
	addMembersOf(d, ruleset.StrictSets(goneRanges, goneAddrs), ruleset.StrictSets(newRanges, newAddrs))
}

// addMembersOf adds members that went from sets and came into sets of which no rule of a chain
// speaks. A set without members is no change.
func addMembersOf(d *ruleset.Delta, gone, come []ruleset.Set) {
	for _, s := range gone {
		slices.SortFunc(s.Members, ruleset.Member.Compare)
		change := ruleset.Removed(s.ID, s.Members, 0)
		d.DelMembers = appendIf(d.DelMembers, len(s.Members) > 0, change)
	}
	for _, s := range come {
		slices.SortFunc(s.Members, ruleset.Member.Compare)
		change := ruleset.Added(s.ID, s.Members, 0)
		d.AddMembers = appendIf(d.AddMembers, len(s.Members) > 0, change)
	}
}
