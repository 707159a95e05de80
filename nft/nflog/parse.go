package nflog

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// parser reads messages of the kernel, and counts the packets that are missing between them.
type parser struct {
	next  uint32 // the number that the next packet should have
	begun bool
	lost  uint64
}

// A message is a netlink header, a header of netfilter, and attributes (linux/netlink.h).
const (
	messageHeader   = 16
	netfilterHeader = 4
	attributeHeader = 4
	packetMessage   = unix.NFNL_SUBSYS_ULOG << 8 // NFULNL_MSG_PACKET
)

// messages reads the messages of one datagram. What is no packet of ours is left out.
func (p *parser) messages(data []byte, take func(ruleset.Logged)) {
	for len(data) >= messageHeader {
		length := int(binary.NativeEndian.Uint32(data))
		if length < messageHeader || length > len(data) {
			return
		}
		// The message at the end of a datagram (NLMSG_DONE) is no packet.
		kind := binary.NativeEndian.Uint16(data[4:])
		if kind == packetMessage && length >= messageHeader+netfilterHeader {
			p.packet(data[messageHeader+netfilterHeader:length], take)
		}
		data = data[min(aligned(length), len(data)):]
	}
}

// aligned is a length with the padding behind it.
func aligned(length int) int { return (length + 3) &^ 3 }

// packet reads the attributes of one packet (enum nfulnl_attr_type).
func (p *parser) packet(data []byte, take func(ruleset.Logged)) {
	const payload, prefix, number = 9, 10, 12
	var packet, label []byte
	for len(data) >= attributeHeader {
		length := int(binary.NativeEndian.Uint16(data))
		if length < attributeHeader || length > len(data) {
			return
		}
		value := data[attributeHeader:length]
		switch binary.NativeEndian.Uint16(data[2:]) {
		case payload:
			packet = value
		case prefix:
			label = bytes.TrimRight(value, "\x00")
		case number:
			p.count(value)
		}
		data = data[min(aligned(length), len(data)):]
	}
	// Others may log to the group as well.
	chain, audited := strings.CutPrefix(string(label), AuditPrefix)
	ours := audited
	if !audited {
		chain, ours = strings.CutPrefix(string(label), Prefix)
	}
	if l, ok := decode(packet); ok && ours {
		l.Audited = audited
		l.Chain = strings.TrimSuffix(chain, " ")
		take(l)
	}
}

// count takes in the number of a packet: the kernel counts on where it has no room for one.
func (p *parser) count(value []byte) {
	if len(value) != 4 {
		return
	}
	number := binary.BigEndian.Uint32(value)
	if p.begun {
		p.lost += uint64(number - p.next)
	}
	p.begun, p.next = true, number+1
}

// decode reads the headers of an IPv4 or IPv6 packet.
func decode(packet []byte) (l ruleset.Logged, ok bool) {
	switch {
	case len(packet) >= 20 && packet[0]>>4 == 4:
		return decode4(packet)
	case len(packet) >= 40 && packet[0]>>4 == 6:
		return decode6(packet)
	default:
		return l, false
	}
}

// decode4 reads a packet of IPv4. A later fragment has no header of its protocol.
func decode4(packet []byte) (l ruleset.Logged, ok bool) {
	// The header says how long it is, and may lie.
	header := int(packet[0]&0xf) * 4
	l.From, _ = netip.AddrFromSlice(packet[12:16])
	l.To, _ = netip.AddrFromSlice(packet[16:20])
	rest := packet[min(max(header, 20), len(packet)):]
	if binary.BigEndian.Uint16(packet[6:])&0x1fff != 0 {
		rest = nil
	}
	transport(&l, packet[9], rest)
	return l, true
}

// maxExtensions is how many headers of IPv6 are passed over.
const maxExtensions = 8

// decode6 reads a packet of IPv6, past the headers that stand before that of its protocol.
func decode6(packet []byte) (l ruleset.Logged, ok bool) {
	l.From, _ = netip.AddrFromSlice(packet[8:24])
	l.To, _ = netip.AddrFromSlice(packet[24:40])
	proto, rest := packet[6], packet[40:]
	for range maxExtensions {
		length := 8
		switch proto {
		case unix.IPPROTO_HOPOPTS, unix.IPPROTO_ROUTING, unix.IPPROTO_DSTOPTS:
			if len(rest) >= 2 {
				length = (int(rest[1]) + 1) * 8
			}
		case unix.IPPROTO_FRAGMENT:
		default:
			transport(&l, proto, rest)
			return l, true
		}
		// It was cut off, or its length is wrong.
		if len(rest) < length {
			break
		}
		// Its offset is not 0; the lowest bits are flags.
		later := proto == unix.IPPROTO_FRAGMENT && binary.BigEndian.Uint16(rest[2:])&^7 != 0
		proto, rest = rest[0], rest[length:]
		if later {
			rest = nil
		}
	}
	transport(&l, proto, nil)
	return l, true
}

// transport reads the ports of a protocol, or the type of an ICMP message, where they are there.
func transport(l *ruleset.Logged, proto uint8, header []byte) {
	switch {
	case proto == unix.IPPROTO_ICMP && l.From.Is4(), proto == unix.IPPROTO_ICMPV6 && l.From.Is6():
		l.ICMP = true
		if len(header) > 0 {
			l.Type = header[0]
		}
		return
	}
	// What has ports has them first, that of the source before that of the destination.
	l.Proto = ruleset.Protocol(proto)
	if l.Proto.HasPorts() && len(header) >= 4 {
		l.FromPort = binary.BigEndian.Uint16(header)
		l.Port = binary.BigEndian.Uint16(header[2:])
	}
}
