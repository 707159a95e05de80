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
	d.DelMembers = append(d.DelMembers, membersOf(ruleset.StrictSets(goneRanges, goneAddrs))...)
	d.AddMembers = append(d.AddMembers, membersOf(ruleset.StrictSets(newRanges, newAddrs))...)
}

// membersOf turns sets into changes of their members. A set without members is no
// change.
func membersOf(sets []ruleset.Set) []ruleset.Members {
	var changes []ruleset.Members
	for _, s := range sets {
		slices.SortFunc(s.Members, ruleset.Member.Compare)
		members := ruleset.Members{Set: s.ID, Members: s.Members}
		changes = appendIf(changes, len(s.Members) > 0, members)
	}
	return changes
}
