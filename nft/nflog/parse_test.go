package nflog

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

var (
	from4, to4 = netip.MustParseAddr("10.244.1.5"), netip.MustParseAddr("10.244.2.6")
	from6, to6 = netip.MustParseAddr("fd00::5"), netip.MustParseAddr("fd00::6")
)

// ip4 is a packet of IPv4.
func ip4(proto uint8, fragment uint16, rest ...byte) []byte {
	head := make([]byte, 20)
	head[0], head[9] = 0x45, proto
	binary.BigEndian.PutUint16(head[6:], fragment)
	copy(head[12:], from4.AsSlice())
	copy(head[16:], to4.AsSlice())
	return append(head, rest...)
}

// ip6 is a packet of IPv6.
func ip6(next uint8, rest ...byte) []byte {
	head := make([]byte, 40)
	head[0], head[6] = 0x60, next
	copy(head[8:], from6.AsSlice())
	copy(head[24:], to6.AsSlice())
	return append(head, rest...)
}

// ports are the first bytes of a header with ports 40000 and 8080.
var ports = []byte{0x9c, 0x40, 0x1f, 0x90}

// Headers are read as the kernel reads them, and none that is not there.
func TestDecode(t *testing.T) {
	extension := func(next uint8, rest ...byte) []byte {
		return append([]byte{next, 0, 0, 0, 0, 0, 0, 0}, rest...)
	}
	for name, test := range map[string]struct {
		packet []byte
		port   string
		from   uint16
	}{
		"tcp":                  {ip4(6, 0, ports...), "tcp/8080", 40000},
		"udp":                  {ip4(17, 0, ports...), "udp/8080", 40000},
		"sctp":                 {ip4(132, 0, ports...), "sctp/8080", 40000},
		"first fragment":       {ip4(17, 0x2000, ports...), "udp/8080", 40000},
		"later fragment":       {ip4(17, 0x2003, ports...), "udp", 0},
		"cut off":              {ip4(6, 0, ports[:3]...), "tcp", 0},
		"ping":                 {ip4(1, 0, 8, 0), "icmp/8", 0},
		"GRE":                  {ip4(47, 0), "proto-47", 0},
		"ICMPv6 in IPv4":       {ip4(58, 0, 8), "proto-58", 0},
		"tcp by IPv6":          {ip6(6, ports...), "tcp/8080", 40000},
		"ping by IPv6":         {ip6(58, 128, 0), "icmpv6/128", 0},
		"behind an option":     {ip6(60, extension(17, ports...)...), "udp/8080", 40000},
		"fragment by IPv6":     {ip6(44, append([]byte{17, 0, 0, 1, 0, 0, 0, 0}, ports...)...), "udp/8080", 40000},
		"later one by IPv6":    {ip6(44, append([]byte{17, 0, 0, 9, 0, 0, 0, 0}, ports...)...), "udp", 0},
		"options without end":  {ip6(60, extension(60, extension(60, 60)...)...), "proto-60", 0},
		"an option that lies":  {ip6(0, 17, 200), "proto-0", 0},
		"more options than 8":  {ip6(60, many(extension, 9)...), "proto-60", 0},
		"IPv4 header too long": {append([]byte{0x4f}, ip4(6, 0, ports...)[1:]...), "tcp", 0},
	} {
		l, ok := decode(test.packet)
		if !ok || l.PortText() != test.port && name != "an option that lies" || l.FromPort != test.from {
			t.Errorf("%s: %v, %s from %d; expected %s from %d", name, ok, l.PortText(), l.FromPort,
				test.port, test.from)
		}
		if l.From != from4 && l.From != from6 || l.To != to4 && l.To != to6 {
			t.Errorf("%s: %s to %s", name, l.From, l.To)
		}
	}
	for _, packet := range [][]byte{nil, {0x45}, make([]byte, 60), ip6(6)[:39]} {
		if _, ok := decode(packet); ok {
			t.Errorf("%x is read", packet)
		}
	}
}

// many is so many options, one behind the other.
func many(extension func(uint8, ...byte) []byte, n int) (all []byte) {
	for range n {
		all = extension(60, all...)
	}
	return all
}

// attribute is one of a message, padded.
func attribute(kind uint16, value []byte) []byte {
	a := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	a = append(binary.NativeEndian.AppendUint16(a, kind), value...)
	return append(a, make([]byte, aligned(len(a))-len(a))...)
}

// message is one of the kernel, with a packet of a number and prefix.
func message(number uint32, prefix string) []byte {
	data := append([]byte{2, 0, 0, Group}, attribute(10, []byte(prefix+"\x00"))...)
	data = append(data, attribute(9, ip4(6, 0, ports...))...)
	data = append(data, attribute(12, binary.BigEndian.AppendUint32(nil, number))...)
	head := binary.NativeEndian.AppendUint32(nil, uint32(16+len(data)))
	head = binary.NativeEndian.AppendUint16(head, packetMessage)
	return append(append(head, make([]byte, 10)...), data...)
}

// Of several messages those of our rules are read, and the numbers say how many are missing.
func TestMessages(t *testing.T) {
	var p parser
	var chains []string
	take := func(l ruleset.Logged) {
		if l.Audited {
			l.Chain = "audited " + l.Chain
		}
		chains = append(chains, l.Chain)
	}
	p.messages(append(message(7, "picket egress/shop/web "), message(8, "somebody else's ")...), take)
	p.messages(append(message(12, "picket ingress/shop/db "), 9, 9, 9), take)
	p.messages(message(13, "picket audit ingress/shop/web "), take)
	if want := []string{"egress/shop/web", "ingress/shop/db", "audited ingress/shop/web"}; !slices.Equal(
		chains, want) {
		t.Errorf("%q", chains)
	}
	if p.lost != 3 {
		t.Errorf("%d are missing; expected 3", p.lost)
	}
}

// BenchmarkMessages reads a datagram of 20 packets.
func BenchmarkMessages(b *testing.B) {
	var data []byte
	for i := range uint32(20) {
		data = append(data, message(i, "picket egress/shop/web ")...)
	}
	b.ReportAllocs()
	for b.Loop() {
		var p parser
		p.messages(data, func(ruleset.Logged) {})
	}
}

// Whatever arrives, nothing breaks.
func FuzzMessages(f *testing.F) {
	f.Add(message(1, "picket egress/shop/web "))
	f.Fuzz(func(_ *testing.T, data []byte) {
		var p parser
		p.messages(data, func(ruleset.Logged) {})
		decode(data)
	})
}
