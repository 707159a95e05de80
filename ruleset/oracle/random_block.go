package oracle

import (
	"net/netip"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
)

// block draws an ipBlock near an address of the world: from that one alone to
// all of its family, with excepts that may overlap each other.
func (d *draw) block() networkingv1.IPBlock {
	at := pick(d.r, d.w.flowAddresses()...)
	cidr := netip.PrefixFrom(at, pick(d.r, blockLengths(at)...))
	b := networkingv1.IPBlock{CIDR: d.hostBits(cidr)}
	for range d.r.IntN(4) {
		if except, ok := d.except(cidr.Masked()); ok {
			b.Except = append(b.Except, d.hostBits(except))
		}
	}
	if d.bad() {
		return d.badBlock(b)
	}
	return b
}

// blockLengths returns the prefix lengths to draw from: a whole family, the
// pods of all nodes, of one node, a few addresses, and one.
func blockLengths(a netip.Addr) []int {
	if a.Is4() {
		return []int{0, 8, 16, 24, 24, 28, 29, 30, 31, 32, 32}
	}
	return []int{0, 7, 16, 48, 64, 64, 124, 125, 126, 127, 128, 128}
}

// hostBits prints the prefix, now and then with the host bits it was drawn with,
// or with zeros before its numbers.
func (d *draw) hostBits(p netip.Prefix) string {
	if d.seldom() {
		return p.String()
	}
	if d.seldom() {
		return withZeros(p.Masked().String())
	}
	return p.Masked().String()
}

// withZeros puts a zero before each decimal number, as people write columns.
func withZeros(text string) string {
	if strings.Contains(text, ":") {
		return strings.Replace(text, "/", "/0", 1)
	}
	return "0" + strings.NewReplacer(".", ".0", "/", "/0").Replace(text)
}

// except draws a part of the CIDR, smaller than it, around one of the world's
// addresses in it. There is none in a CIDR of one address.
func (d *draw) except(cidr netip.Prefix) (netip.Prefix, bool) {
	if cidr.IsSingleIP() {
		return netip.Prefix{}, false
	}
	inside := slices.DeleteFunc(d.w.flowAddresses(), func(a netip.Addr) bool {
		return !cidr.Contains(a)
	})
	lengths := slices.DeleteFunc(blockLengths(cidr.Addr()), func(n int) bool {
		return n <= cidr.Bits()
	})
	return netip.PrefixFrom(pick(d.r, inside...), pick(d.r, lengths...)), true
}

// badBlock spoils an ipBlock in one of the ways there are.
func (d *draw) badBlock(b networkingv1.IPBlock) networkingv1.IPBlock {
	switch d.r.IntN(4) {
	case 0:
		b.CIDR = pick(d.r, badCIDRs()...)
	case 1:
		b.Except = append(b.Except, pick(d.r, badCIDRs()...))
	case 2:
		// outside, or all of it
		b.Except = append(b.Except, pick(d.r, "10.250.0.0/16", "fd99::/64", "0.0.0.0/0", "::/0"))
	case 3:
		b.Except = append(b.Except, b.CIDR)
	}
	return b
}

// badCIDRs are those that mean nothing.
func badCIDRs() []string {
	return []string{
		"", "nonsense", "10.244.1.2", "10.244.1.0/33", "10.244.1/24", "fd00::/129",
		"fe80::%eth0/64", "::ffff:10.244.1.0/120", "::ffff:0:0/96", "10.244.1.0/0x18",
	}
}
