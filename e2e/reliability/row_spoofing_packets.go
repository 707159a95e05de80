package main

import (
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"
)

// spoofedPacket is a packet by which a pod tries to reach another one where it may not: web with
// datagrams, free with ICMP.
type spoofedPacket struct {
	name    string
	refused bool                     // by what README says
	bridge  bool                     // by the table on bridges alone
	from    string                   // test pod
	as      []netip.Addr             // source addresses by family; nil: its own
	port    int                      // of web; zero: the service
	tags    int                      // of VLAN 0
	cut     func([]byte) []fragment  // nil: in one piece
	icmp    func(s *testbed) error   // sends a message instead
	seen    func(packet []byte) bool // recognises that message at free
}

// spoofedPackets lists them. The pods alien, near and free sit on web's own bridge, rogue and caged
// on another node. What only routers say goes to free, which no policy keeps it from.
func spoofedPackets() []spoofedPacket {
	near, node := podOf("near").Addrs, nodes()[0].Addrs
	all := []spoofedPacket{
		{name: "router advertisement to everybody", refused: true,
			icmp: sendICMPv6(routerAdvertisement, allNodes(), make([]byte, 12)),
			seen: isICMP(routerAdvertisement)},
		{name: "router advertisement to the pod", refused: true,
			icmp: sendICMPv6(routerAdvertisement, freeAddr(six), make([]byte, 12)),
			seen: isICMP(routerAdvertisement)},
		{name: "IPv6 redirect", refused: true,
			icmp: sendICMPv6(redirect6, freeAddr(six), make([]byte, 36)), seen: isICMP(redirect6)},
		{name: "IPv4 redirect", refused: true, icmp: sendRedirect4, seen: isICMP(redirect4)},
		{name: "neighbour advertisement for another pod",
			icmp: sendICMPv6(neighbourAdvertisement, freeAddr(six), advertisement()),
			seen: isAdvertisement},
		{name: "a raw frame", refused: true, from: "alien"},
		{name: "a VLAN tag", refused: true, bridge: true, from: "alien", tags: 1},
		{name: "two VLAN tags", refused: true, bridge: true, from: "alien", tags: 2},
		{name: "the address of a permitted pod", refused: true, from: "alien", as: near},
		{name: "the address of a permitted pod of another node", refused: true, from: "rogue",
			as: near},
		{name: "the address of a permitted pod, by one that may send nothing", refused: true,
			from: "caged", as: podOf("far").Addrs},
		{name: "the address of the node", refused: true, from: "alien", as: node},
		{name: "the address of a service", refused: true, from: "alien", as: services()},
	}
	for _, f := range []spoofedPacket{
		{name: "fragments of 8 bytes", cut: tiny},
		{name: "fragments of 8 bytes, backwards", cut: backwards},
		{name: "overlapping fragments", cut: overlapping},
	} {
		all = append(all,
			spoofedPacket{name: f.name, refused: true, from: "alien", cut: f.cut},
			spoofedPacket{name: f.name + " from another node", refused: true, from: "rogue",
				cut: f.cut},
			spoofedPacket{name: f.name + " to a port that is not permitted", refused: true,
				from: "near", port: otherPort, cut: f.cut})
	}
	return all
}

const four, six = 0, 1

func webAddr(family int) netip.Addr { return podOf("web").Addrs[family] }

func freeAddr(family int) netip.Addr { return podOf("free").Addrs[family] }

func allNodes() netip.Addr { return netip.MustParseAddr("ff02::1") }

// services are addresses of services, which no pod has.
func services() []netip.Addr {
	return []netip.Addr{netip.MustParseAddr("10.96.0.10"), netip.MustParseAddr("fd00:10:96::a")}
}

func tiny(payload []byte) []fragment { return fragments(payload, 8) }

func backwards(payload []byte) []fragment {
	all := tiny(payload)
	slices.Reverse(all)
	return all
}

// overlapping has the ports in two fragments: first those of what is permitted, then its own.
func overlapping(payload []byte) []fragment {
	harmless := append([]byte{payload[0], payload[1], 0, 80}, payload[4:]...)
	all := fragments(harmless, 16)
	return append([]fragment{all[0], {0, false, payload[:16]}}, all[1:]...)
}

// Messages of ICMP.
const (
	redirect4              = 5
	routerAdvertisement    = 134
	neighbourAdvertisement = 136
	redirect6              = 137
)

func sendICMPv6(kind byte, to netip.Addr, body []byte) func(*testbed) error {
	return func(s *testbed) error { return s.SendICMPv6(podOf("alien").Name, to, kind, body) }
}

// sendRedirect4 sends a redirect about a packet that nobody sent.
func sendRedirect4(s *testbed) error {
	from, to := podOf("alien").Addrs[four], freeAddr(four)
	about := ipHeader{to, services()[four], unix.IPPROTO_UDP, 1}.packet(
		fragment{0, true, []byte{0, 53, 0, 53, 0, 8, 0, 0}})
	message := append(append([]byte{redirect4, 1, 0, 0}, from.AsSlice()...), about...)
	sum := checksum(message)
	message[2], message[3] = byte(sum>>8), byte(sum)
	return s.sendFrame("alien", "free", 0,
		ipHeader{from, to, unix.IPPROTO_ICMP, 1}.packet(fragment{0, true, message}))
}

// advertisement says that some hardware has the address of near.
func advertisement() []byte {
	body := append([]byte{0x20, 0, 0, 0}, podOf("near").Addrs[six].AsSlice()...)
	return append(body, 2, 1, 2, 0, 0, 0, 0, 1)
}

func isAdvertisement(packet []byte) bool {
	message := icmpOf(packet)
	return len(message) >= 24 && message[0] == neighbourAdvertisement &&
		netip.AddrFrom16([16]byte(message[8:24])) == podOf("near").Addrs[six]
}

func isICMP(kind byte) func([]byte) bool {
	return func(packet []byte) bool {
		message := icmpOf(packet)
		return len(message) > 0 && message[0] == kind
	}
}

// icmpOf is the ICMP message of a packet, if it is one.
func icmpOf(packet []byte) []byte {
	switch {
	case len(packet) > 40 && packet[0]>>4 == 6 && packet[6] == unix.IPPROTO_ICMPV6:
		return packet[40:]
	case len(packet) > 20 && packet[0] == 0x45 && packet[9] == unix.IPPROTO_ICMP:
		return packet[20:]
	}
	return nil
}
