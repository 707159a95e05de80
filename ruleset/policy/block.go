package policy

import (
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/picket-project/picket/ruleset"
)

// block reads an ipBlock: its cidr without what its own excepts take away. An except that cannot be read
// spoils the whole block, since without it the block would be wider than meant.
func (p *parser) block(b *networkingv1.IPBlock, at *field.Path) []ruleset.Range {
	cidr, ok := p.cidr(b.CIDR, at.Child("cidr"))
	ranges := []ruleset.Range{cidr}
	for i, text := range b.Except {
		except, fine := p.cidr(text, at.Child("except").Index(i))
		ok = ok && fine
		if ok {
			ranges = subtract(ranges, except)
		}
	}
	if !ok {
		return nil
	}
	return ranges
}

func (p *parser) cidr(text string, at *field.Path) (ruleset.Range, bool) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		p.invalid(at, text, "is not a CIDR; expected an address and a prefix length, such as 10.0.0.0/8 or fd00::/8")
		return ruleset.Range{}, false
	}
	if prefix.Addr().Is4In6() {
		p.invalid(at, text, "is IPv4 in the shape of IPv6; write it as an IPv4 CIDR, such as 1.2.3.0/24")
		return ruleset.Range{}, false
	}
	return ruleset.RangeOf(prefix), true
}

// subtract takes the addresses of one range out of others.
func subtract(from []ruleset.Range, hole ruleset.Range) []ruleset.Range {
	var rest []ruleset.Range
	for _, r := range from {
		if !overlap(r, hole) {
			rest = append(rest, r)
			continue
		}
		if r.First.Less(hole.First) {
			rest = append(rest, ruleset.Range{First: r.First, Last: hole.First.Prev()})
		}
		if hole.Last.Less(r.Last) {
			rest = append(rest, ruleset.Range{First: hole.Last.Next(), Last: r.Last})
		}
	}
	return rest
}

func overlap(a, b ruleset.Range) bool {
	return ruleset.FamilyOf(a.First) == ruleset.FamilyOf(b.First) && !a.Last.Less(b.First) && !b.Last.Less(a.First)
}

// union makes ranges disjoint and sorted, IPv4 first: the kernel refuses intervals that overlap.
func union(ranges []ruleset.Range) []ruleset.Range {
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

// ofFamily returns the ranges of one family.
func ofFamily(ranges []ruleset.Range, f ruleset.Family) []ruleset.Range {
	var of []ruleset.Range
	for _, r := range ranges {
		if ruleset.FamilyOf(r.First) == f {
			of = append(of, r)
		}
	}
	return of
}
