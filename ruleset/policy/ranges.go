package policy

import (
	"fmt"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/picket-project/picket/ruleset"
)

// block reads an ipBlock: its cidr without what its own excepts take away. An except that cannot be read
// spoils the whole block, since without it the block would be wider than meant.
func (p *parser) block(b *networkingv1.IPBlock, at *field.Path) []ruleset.Range {
	cidr, sound := p.cidr(b.CIDR, at.Child("cidr"))
	ranges, ok := []ruleset.Range{cidr}, sound
	var except []ruleset.Range
	for i, text := range b.Except {
		at := at.Child("except").Index(i)
		hole, fine := p.cidr(text, at)
		ok = ok && fine
		if sound && fine {
			p.hole(cidr, hole, text, at)
		}
		except = append(except, hole)
	}
	if !ok {
		return nil
	}
	ranges = subtract(ranges, except)
	return ranges
}

// hole complains of an except that an API server refuses, since it is no smaller part of its cidr. What it means
// is certain, so it spoils nothing.
func (p *parser) hole(cidr, hole ruleset.Range, text string, at *field.Path) {
	switch {
	case !overlap(cidr, hole):
		p.invalid(at, text, fmt.Sprintf("takes nothing away; expected a part of %s", cidr))
	case !cidr.First.Less(hole.First) && !hole.Last.Less(cidr.Last):
		p.invalid(at, text, fmt.Sprintf("leaves nothing of %s; expected a smaller part of it", cidr))
	}
}

func (p *parser) cidr(text string, at *field.Path) (ruleset.Range, bool) {
	prefix, ok := ParseCIDR(text)
	if !ok {
		p.invalid(at, text, "is not a CIDR; expected an address and a prefix length, such as 10.0.0.0/8 or fd00::/8")
		return ruleset.Range{}, false
	}
	if prefix.Addr().Is4In6() {
		p.invalid(at, text, "is IPv4 in the shape of IPv6; write it as an IPv4 CIDR, such as 1.2.3.0/24")
		return ruleset.Range{}, false
	}
	return ruleset.RangeOf(prefix), true
}

// subtract takes the addresses of some ranges out of others, in one sweep: a block can have tens of thousands
// of excepts.
func subtract(from, holes []ruleset.Range) []ruleset.Range {
	var rest []ruleset.Range
	holes = Union(holes)
	for _, r := range from {
		rest = append(rest, without(r, holes)...)
	}
	return rest
}

// without returns what holes, disjoint and sorted, leave of a range.
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

func overlap(a, b ruleset.Range) bool {
	return ruleset.FamilyOf(a.First) == ruleset.FamilyOf(b.First) && !a.Last.Less(b.First) && !b.Last.Less(a.First)
}

// Union makes ranges disjoint and sorted, IPv4 first: the kernel refuses intervals that overlap.
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

// touch reports whether b, which does not start before a, continues or overlaps it.
func touch(a, b ruleset.Range) bool {
	return overlap(a, b) || a.Last.Next() == b.First
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
