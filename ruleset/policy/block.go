package policy

import (
	"fmt"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/picket-project/picket/ruleset"
)

// BlockRanges returns the addresses of an ipBlock, disjoint and sorted; none of one that cannot be
// understood.
func BlockRanges(b *networkingv1.IPBlock) []ruleset.Range {
	return Union(new(parser).block(b, field.NewPath("ipBlock")))
}

// block reads an ipBlock: its cidr without what its own excepts take away. An except
// that cannot be read spoils the whole block, since without it the block would be wider
// than meant.
func (p *parser) block(b *networkingv1.IPBlock, at *field.Path) []ruleset.Range {
	cidr, sound := p.cidr(b.CIDR, at.Child("cidr"))
	ranges, ok := []ruleset.Range{cidr}, sound
	var except []ruleset.Range
	for i, text := range b.Except {
		at := at.Child("except").Index(i)
		hole, fine := p.cidr(text, at)
		ok = ok && fine
		if sound && fine {
			p.checkExcept(cidr, hole, text, at)
		}
		except = append(except, hole)
	}
	if !ok {
		return nil
	}
	ranges = subtract(ranges, except)
	return ranges
}

// checkExcept reports an except that an API server would refuse, since it is no smaller
// part of its cidr. What it means is certain, so it spoils nothing.
func (p *parser) checkExcept(cidr, hole ruleset.Range, text string, at *field.Path) {
	switch {
	case !overlap(cidr, hole):
		p.invalid(at, text, fmt.Sprintf("takes nothing away; expected a part of %s", cidr))
	case !cidr.First.Less(hole.First) && !hole.Last.Less(cidr.Last):
		p.invalid(at, text, fmt.Sprintf(
			"leaves nothing of %s; expected a smaller part of it", cidr))
	}
}

// cidr reads a CIDR of an ipBlock; its host bits mean nothing.
func (p *parser) cidr(text string, at *field.Path) (ruleset.Range, bool) {
	prefix, ok := ParseCIDR(text)
	if !ok {
		p.invalid(at, text, "is not a CIDR; expected an address and a prefix length, "+
			"such as 10.0.0.0/8 or fd00::/8")
		return ruleset.Range{}, false
	}
	if prefix.Addr().Is4In6() {
		p.invalid(at, text, "is IPv4 in the shape of IPv6; "+
			"write it as an IPv4 CIDR, such as 1.2.3.0/24")
		return ruleset.Range{}, false
	}
	return ruleset.RangeOf(prefix), true
}
