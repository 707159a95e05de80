package policy

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Union makes ranges disjoint and sorted, IPv4 first: the kernel refuses ranges that
// overlap.
func Union(ranges []ruleset.Range) []ruleset.Range {
	slices.SortFunc(ranges, func(a, b ruleset.Range) int { return a.First.Compare(b.First) })
	var merged []ruleset.Range
	for _, r := range ranges {
		last := len(merged) - 1
		if last < 0 || !touch(merged[last], r) {
			merged = append(merged, r)
		} else if merged[last].Last.Less(r.Last) {
			merged[last].Last = r.Last
		}
	}
	return merged
}

// OfFamily returns the ranges of one family.
func OfFamily(ranges []ruleset.Range, f ruleset.Family) []ruleset.Range {
	var of []ruleset.Range
	for _, r := range ranges {
		if ruleset.FamilyOf(r.First) == f {
			of = append(of, r)
		}
	}
	return of
}

// subtract takes the addresses of some ranges out of others. It sorts them first, so
// that it can pass over them once: a block can have tens of thousands of excepts.
func subtract(from, holes []ruleset.Range) []ruleset.Range {
	var rest []ruleset.Range
	holes = Union(holes)
	for _, r := range from {
		rest = append(rest, without(r, holes)...)
	}
	return rest
}

// Intersect returns the addresses that are in both lists, disjoint and sorted.
func Intersect(a, b []ruleset.Range) []ruleset.Range {
	a = Union(slices.Clone(a))
	return subtract(a, subtract(a, slices.Clone(b)))
}

// without returns what holes, which are disjoint and sorted, leave of a range.
func without(r ruleset.Range, holes []ruleset.Range) []ruleset.Range {
	var rest []ruleset.Range
	for _, hole := range holes {
		if !overlap(r, hole) {
			continue
		}
		if r.First.Less(hole.First) {
			rest = append(rest, ruleset.Range{First: r.First, Last: hole.First.Prev()})
		}
		if !hole.Last.Less(r.Last) {
			return rest
		}
		r.First = hole.Last.Next()
	}
	return append(rest, r)
}

// overlap reports whether two ranges have an address in common.
func overlap(a, b ruleset.Range) bool {
	return ruleset.FamilyOf(a.First) == ruleset.FamilyOf(b.First) &&
		!a.Last.Less(b.First) && !b.Last.Less(a.First)
}

// touch reports whether b, which does not start before a, continues or overlaps it.
func touch(a, b ruleset.Range) bool {
	return overlap(a, b) || a.Last.Next() == b.First
}

// contains reports whether an address is in ranges that are disjoint and sorted.
func contains(ranges []ruleset.Range, a netip.Addr) bool {
	byFirst := func(r ruleset.Range, a netip.Addr) int { return r.First.Compare(a) }
	at, found := slices.BinarySearchFunc(ranges, a, byFirst)
	return found || at > 0 && ranges[at-1].Contains(a)
}
