package ruleset

import (
	"fmt"
	"net/netip"
)

// Family is an IP version; its value is the version number. The zero value is no family.
type Family uint8

// The two families.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

// Families lists both, for loops: nothing is written twice for IPv4 and IPv6.
var Families = [...]Family{IPv4, IPv6}

// FamilyOf returns the family of an address; an IPv4-mapped IPv6 address is IPv6.
func FamilyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// Bits is the length of an address in bits.
func (f Family) Bits() int {
	if f == IPv4 {
		return 32
	}
	return 128
}

// String is IPv4 or IPv6.
func (f Family) String() string { return fmt.Sprintf("IPv%d", uint8(f)) }

// Range is the addresses from First to Last, both included and of one family.
type Range struct{ First, Last netip.Addr }

// RangeOf returns the addresses of a prefix; host bits do not matter. The zero Prefix has none:
// the zero Range.
func RangeOf(p netip.Prefix) Range {
	first := p.Masked().Addr()
	bytes := first.AsSlice()
	for bit := max(p.Bits(), 0); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 0x80 >> (bit % 8)
	}
	last, _ := netip.AddrFromSlice(bytes)
	return Range{First: first, Last: last}
}

// Contains reports whether a lies in r.
func (r Range) Contains(a netip.Addr) bool {
	return FamilyOf(a) == FamilyOf(r.First) && r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0
}

// Prefix returns r as a prefix, where it is one.
func (r Range) Prefix() (netip.Prefix, bool) {
	for bits := 0; bits <= r.First.BitLen(); bits++ {
		p := netip.PrefixFrom(r.First, bits)
		if RangeOf(p) == r {
			return p, true
		}
	}
	return netip.Prefix{}, false
}

// String prints a prefix where the range is one, else "first-last".
func (r Range) String() string {
	if p, ok := r.Prefix(); ok {
		return p.String()
	}
	return r.First.String() + "-" + r.Last.String()
}
