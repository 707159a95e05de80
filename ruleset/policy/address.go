package policy

import (
	"net/netip"
	"slices"
)

// ParseAddr reads an address that a pod or node can have: without a zone, no loopback,
// multicast or unspecified address, and no IPv4 in the shape of IPv6. Leading zeros
// mean nothing, as for API servers: 010.0.0.1 is 10.0.0.1.
func ParseAddr(text string) (addr netip.Addr, ok bool) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		a, err = netip.ParseAddr(withoutZeros(text))
	}
	return a, err == nil && a.Zone() == "" && !a.Is4In6() && !a.IsLoopback() && !a.IsMulticast() &&
		!a.IsUnspecified()
}

// ParseAddrs reads a list of such addresses, leaves out what is none, and sorts it.
func ParseAddrs(texts []string) []netip.Addr {
	var addrs []netip.Addr
	for _, text := range texts {
		if a, ok := ParseAddr(text); ok {
			addrs = append(addrs, a)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}

// ParseCIDR reads an address with a prefix length, and keeps its host bits. Leading
// zeros mean nothing, as for API servers. IPv4 in the shape of IPv6 is left for the
// caller to refuse.
func ParseCIDR(text string) (prefix netip.Prefix, ok bool) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		p, err = netip.ParsePrefix(withoutZeros(text))
	}
	return p, err == nil
}

// withoutZeros takes the leading zeros off every number, decimal or hexadecimal.
func withoutZeros(text string) string {
	rest := make([]byte, 0, len(text))
	started := false // the number at hand has a digit that counts
	for i := range len(text) {
		if text[i] == '0' && !started && i+1 < len(text) && isDigit(text[i+1]) {
			continue
		}
		started = isDigit(text[i])
		rest = append(rest, text[i])
	}
	return string(rest)
}

// isDigit reports whether a byte is a digit of a number, decimal or hexadecimal.
func isDigit(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b && b <= 'f' || 'A' <= b && b <= 'F'
}
