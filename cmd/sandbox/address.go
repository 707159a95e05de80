package sandbox

import (
	"hash/fnv"
	"net"
	"net/netip"
)

// absentRouter is a router that does not exist: nodes send there what no node has. Its MAC address
// is known and no port of the switch has it, so the frames end in the switch.
var (
	absentRouter = []netip.Addr{
		netip.AddrFrom4([4]byte{169, 254, 0, 1}), netip.MustParseAddr("fe80::a9fe:1")}
	absentRouterMAC = net.HardwareAddr{0x02, 0x70, 0xff, 0xff, 0xff, 0xff}
)

// defaultGateways are the gateways of pods whose node has no PodCIDR of the family.
var defaultGateways = []netip.Addr{
	netip.AddrFrom4([4]byte{169, 254, 1, 1}), netip.MustParseAddr("fe80::a9fe:101")}

// defaultRoute is the destination of a default route, per family.
var defaultRoute = []netip.Prefix{
	netip.PrefixFrom(netip.IPv4Unspecified(), 0),
	netip.PrefixFrom(netip.IPv6Unspecified(), 0),
}

// sameFamily finds the first address of the family of like; the zero Addr if there is none.
func sameFamily(addrs []netip.Addr, like netip.Addr) netip.Addr {
	for _, a := range addrs {
		if a.Is4() == like.Is4() {
			return a
		}
	}
	return netip.Addr{}
}

// containing finds the prefix that contains the address; the zero Prefix if none does.
func containing(prefixes []netip.Prefix, a netip.Addr) netip.Prefix {
	for _, p := range prefixes {
		if p.Contains(a) {
			return p
		}
	}
	return netip.Prefix{}
}

// hostPrefix is the prefix that holds one address only.
func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// switchPrefix is the prefix under which a node's address stands on the switch.
func switchPrefix(a netip.Addr) netip.Prefix {
	if a.Is4() {
		return netip.PrefixFrom(a, 24)
	}
	return netip.PrefixFrom(a, 64)
}

// gatewayOf is the first host of a pod range.
func gatewayOf(p netip.Prefix) netip.Addr { return p.Masked().Addr().Next() }

// unmapped copies the addresses, IPv4 in its 4-byte form.
func unmapped(addrs []netip.Addr) []netip.Addr {
	plain := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		plain = append(plain, a.Unmap())
	}
	return plain
}

// macFor derives the MAC address from the IP address, so that a pod that
// inherits an address answers to what its neighbours remember.
func macFor(a netip.Addr) net.HardwareAddr {
	if a.Is4() {
		b := a.As4()
		return net.HardwareAddr{0x02, 0x70, b[0], b[1], b[2], b[3]}
	}
	sum := fnv.New32a()
	sum.Write(a.AsSlice())
	return net.HardwareAddr(sum.Sum([]byte{0x06, 0x70}))
}

// ipNet is the form that the netlink package takes; the address keeps its host bits.
func ipNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
