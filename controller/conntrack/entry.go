package conntrack

import (
	"bytes"
	"encoding/binary"
	"iter"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// header is the length of struct nfgenmsg, which stands before the attributes.
const header = 4

// tuple is the half of an entry that is of use here: where one direction's packets come from.
type tuple struct {
	addr  netip.Addr
	port  uint16 // 0 where the protocol has none
	proto ruleset.Protocol
}

// entry is a connection, and what the kernel finds its entry by. Its bytes are those of the
// message.
type entry struct {
	ruleset.Connection
	original, zone, id []byte // values of CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID; nil: there is none
	offloaded          bool   // a flowtable forwards its packets, past all hooks
	over               bool   // both ends have closed it
}

// offload is the bit of IPS_OFFLOAD in an entry's status (Linux 4.16).
const offload = 1 << 14

// parse reads an entry (enum ctattr_type); ok is false for one without addresses.
func parse(message []byte) (e entry, ok bool) {
	if len(message) < header {
		return e, false
	}
	var reply tuple
	for kind, value := range attributes(message[header:]) {
		switch kind {
		case nl.CTA_TUPLE_ORIG:
			e.original = value
		case nl.CTA_TUPLE_REPLY:
			reply = parseTuple(value)
		case nl.CTA_ZONE:
			e.zone = value
		case nl.CTA_ID:
			e.id = value
		case nl.CTA_PROTOINFO:
			e.over = isOver(value)
		case nl.CTA_STATUS:
			e.offloaded = len(value) == 4 && binary.BigEndian.Uint32(value)&offload != 0
		}
	}
	original := parseTuple(e.original)
	if !original.addr.IsValid() || !reply.addr.IsValid() {
		return e, false
	}
	if !original.proto.HasPorts() { // an identifier in its place, of ICMP for instance
		original.port, reply.port = 0, 0
	}
	e.From = netip.AddrPortFrom(original.addr, original.port)
	e.To = netip.AddrPortFrom(reply.addr, reply.port)
	e.Proto = original.proto
	return e, true
}

// kept returns the entry with bytes of its own.
func (e entry) kept() entry {
	e.original, e.zone, e.id = bytes.Clone(e.original), bytes.Clone(e.zone), bytes.Clone(e.id)
	return e
}

// parseTuple reads who sends in one direction of an entry.
func parseTuple(b []byte) (t tuple) {
	for kind, value := range attributes(b) {
		switch kind {
		case nl.CTA_TUPLE_IP:
			t.parseAddr(value)
		case nl.CTA_TUPLE_PROTO:
			t.parseProto(value)
		}
	}
	return t
}

// parseAddr reads the source address, of either family.
func (t *tuple) parseAddr(b []byte) {
	for kind, value := range attributes(b) {
		if kind == nl.CTA_IP_V4_SRC || kind == nl.CTA_IP_V6_SRC {
			t.addr, _ = netip.AddrFromSlice(value)
		}
	}
}

// parseProto reads the protocol and, where it has ports, that of the source.
func (t *tuple) parseProto(b []byte) {
	for kind, value := range attributes(b) {
		switch {
		case kind == nl.CTA_PROTO_NUM && len(value) == 1:
			t.proto = ruleset.Protocol(value[0])
		case kind == nl.CTA_PROTO_SRC_PORT && len(value) == 2:
			t.port = binary.BigEndian.Uint16(value)
		}
	}
}

// attributes yields the kind and value of each netlink attribute, without copying any: a decoder
// that does makes 1.4 kB of garbage an entry. It ends where the bytes are no attribute.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofNlAttr {
			length := int(binary.NativeEndian.Uint16(b))
			if length < unix.SizeofNlAttr || length > len(b) {
				return
			}
			kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(kind, b[unix.SizeofNlAttr:length]) {
				return
			}
			b = b[min(len(b), (length+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1)):]
		}
	}
}
