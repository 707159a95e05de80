package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// term is a piece of a rule in both of its forms: the text that the nft program reads and prints,
// and the expressions that it makes of it.
type term struct {
	text  string
	exprs []expr.Any
	set   *anonymous // of values that stand in the rule itself
}

// anonymous is a set without a name, looked up as the last expression of its term.
type anonymous struct {
	set      nftables.Set
	elements []nftables.SetElement
}

// register is where a term loads what it compares: the first 16-byte register, which overlays
// four of 4 bytes.
const register = 1

// equal compares what was loaded with these bytes.
func equal(data []byte) *expr.Cmp {
	return &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: data}
}

// meta loads a property of a packet by its key (NFTA_META_KEY), such as its interface.
func meta(key expr.MetaKey) *expr.Meta { return &expr.Meta{Key: key, Register: register} }

// port16 returns a port or an EtherType in network byte order.
func port16(p uint16) []byte { return binary.BigEndian.AppendUint16(nil, p) }

// fields is where each family keeps its addresses (RFC 791, RFC 8200).
var fields = map[ruleset.Family]struct {
	word             string // ip, ip6
	proto            byte   // NFPROTO_*
	ether            uint16 // ETH_P_*
	source, dest     uint32 // offset in the network header
	length           uint32
	keyType          nftables.SetDatatype
	addressPortsType nftables.SetDatatype
	linkAddressType  nftables.SetDatatype
}{
	ruleset.IPv4: {"ip", unix.NFPROTO_IPV4, unix.ETH_P_IP, 12, 16, 4, nftables.TypeIPAddr,
		nftables.MustConcatSetType(nftables.TypeIPAddr, nftables.TypeInetProto,
			nftables.TypeInetService),
		nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeIPAddr)},
	ruleset.IPv6: {"ip6", unix.NFPROTO_IPV6, unix.ETH_P_IPV6, 8, 24, 16, nftables.TypeIP6Addr,
		nftables.MustConcatSetType(nftables.TypeIP6Addr, nftables.TypeInetProto,
			nftables.TypeInetService),
		nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeIP6Addr)},
}

// end is one of the two addresses in a packet.
type end uint8

const (
	source end = iota
	destination
)

// word is the nft program's word for the address.
func (e end) word() string { return [...]string{"saddr", "daddr"}[e] }

// subjectEnd says where a direction finds its subject.
func subjectEnd(d ruleset.Direction) end {
	if d == ruleset.Ingress {
		return destination
	}
	return source
}

// peerEnd says where a direction finds its peer: at the other end.
func peerEnd(d ruleset.Direction) end { return 1 - subjectEnd(d) }

// isFamily matches packets of one IP version.
func isFamily(f ruleset.Family) term {
	return term{
		text:  fmt.Sprintf("meta nfproto ipv%d", f),
		exprs: []expr.Any{meta(expr.MetaKeyNFPROTO), equal([]byte{fields[f].proto})},
	}
}

// address loads one address of a packet, if it is of that family.
func address(f ruleset.Family, e end) term {
	at := fields[f]
	return term{
		text: at.word + " " + e.word(),
		exprs: append(isFamily(f).exprs, &expr.Payload{
			DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Len: at.length,
			Offset: [...]uint32{at.source, at.dest}[e],
		}),
	}
}

// inPrefix matches an address by its first bits.
func inPrefix(p netip.Prefix, e end) term {
	t, data := address(ruleset.FamilyOf(p.Addr()), e), p.Addr().AsSlice()
	switch {
	case p.Bits() == 0:
		return isFamily(ruleset.FamilyOf(p.Addr()))
	case p.IsSingleIP():
		t.text += " " + p.Addr().String()
	case p.Bits()%8 == 0: // the nft program loads whole bytes without a mask
		data = data[:p.Bits()/8]
		t.text += " " + p.String()
		t.exprs[len(t.exprs)-1].(*expr.Payload).Len = uint32(len(data))
	default:
		mask := make([]byte, p.Addr().BitLen()/8)
		for bit := range p.Bits() {
			mask[bit/8] |= 0x80 >> (bit % 8)
		}
		t.text += " " + p.String()
		t.exprs = append(t.exprs, &expr.Bitwise{
			SourceRegister: register, DestRegister: register, Len: uint32(len(mask)), Mask: mask,
			Xor: make([]byte, len(mask)),
		})
	}
	t.exprs = append(t.exprs, equal(data))
	return t
}

// inSet matches an address, or an address with protocol and port, by a named set.
func inSet(id ruleset.SetID, e end) term {
	t := address(id.Family, e)
	if id.Kind == ruleset.AddressPorts {
		// The address fills whole 4-byte registers from the first (NFT_REG32_00) on; protocol and
		// port follow.
		next := unix.NFT_REG32_00 + fields[id.Family].length/4
		t.text += " . meta l4proto . th dport"
		t.exprs = append(t.exprs,
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: next},
			&expr.Payload{DestRegister: next + 1, Base: expr.PayloadBaseTransportHeader, Offset: 2,
				Len: 2},
		)
	}
	t.text += " @" + id.String()
	t.exprs = append(t.exprs, &expr.Lookup{SourceRegister: register, SetName: id.String()})
	return t
}

// alsoInSet is inSet behind a term that matches the family.
func alsoInSet(id ruleset.SetID, e end) term {
	t := inSet(id, e)
	t.exprs = t.exprs[len(isFamily(id.Family).exprs):]
	return t
}

// notInSet matches an address that is not in a named set. It stands behind a term that matches
// the family.
func notInSet(id ruleset.SetID, e end) term {
	t := alsoInSet(id, e)
	t.text = strings.Replace(t.text, "@", "!= @", 1)
	t.exprs[len(t.exprs)-1].(*expr.Lookup).Invert = true
	return t
}

// dispatched looks an address up in a verdict map.
func dispatched(f ruleset.Family, e end, name string) term {
	t := address(f, e)
	t.text += " vmap @" + name
	t.exprs = append(t.exprs, &expr.Lookup{SourceRegister: register, IsDestRegSet: true,
		SetName: name})
	return t
}

// byPort looks protocol and port up in a verdict map.
func byPort(name string) term {
	return term{text: "meta l4proto . th dport vmap @" + name, exprs: []expr.Any{
		meta(expr.MetaKeyL4PROTO),
		&expr.Payload{DestRegister: unix.NFT_REG32_00 + 1, Base: expr.PayloadBaseTransportHeader,
			Offset: 2, Len: 2},
		&expr.Lookup{SourceRegister: register, IsDestRegSet: true, SetName: name},
	}}
}

// byRange looks the port of one protocol up in a verdict map of ranges.
func byRange(id ruleset.SetID) term {
	return term{text: id.Protocol().String() + " dport vmap @" + id.String(),
		exprs: append(isProtocol(id.Protocol()).exprs,
			&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 2,
				Len: 2},
			&expr.Lookup{SourceRegister: register, IsDestRegSet: true, SetName: id.String()},
		)}
}

// isProtocol matches a transport protocol.
func isProtocol(p ruleset.Protocol) term {
	return term{
		text:  "meta l4proto " + p.String(),
		exprs: []expr.Any{meta(expr.MetaKeyL4PROTO), equal([]byte{byte(p)})},
	}
}

// toPorts matches a protocol and destination ports, at least one range of them.
func toPorts(p ruleset.Protocol, ranges []ruleset.PortRange) term {
	t := term{
		text: p.String() + " dport ",
		exprs: append(isProtocol(p).exprs, &expr.Payload{
			DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2,
		}),
	}
	first := ranges[0]
	switch {
	case len(ranges) > 1:
		return t.among(portSet(ranges))
	case first.First == first.Last:
		t.exprs = append(t.exprs, equal(port16(first.First)))
	default:
		t.exprs = append(t.exprs, &expr.Range{
			Op: expr.CmpOpEq, Register: register, FromData: port16(first.First),
			ToData: port16(first.Last),
		})
	}
	t.text += first.String()
	return t
}

// portSet puts ranges into a set as texts and as elements. If any has more than one port, the set
// holds intervals: then each range has a second element, the port after it, except one that goes on
// to the last port of all.
func portSet(ranges []ruleset.PortRange) ([]string, anonymous) {
	var texts []string
	set := anonymous{set: nftables.Set{KeyType: nftables.TypeInetService}}
	for _, r := range ranges {
		texts = append(texts, r.String())
		set.set.Interval = set.set.Interval || r.First != r.Last
	}
	for _, r := range ranges {
		set.elements = append(set.elements,
			nftables.SetElement{Key: port16(r.First), IntervalOpen: r.Last == 65535 &&
				set.set.Interval})
		if set.set.Interval && r.Last < 65535 {
			set.elements = append(set.elements,
				nftables.SetElement{Key: port16(r.Last + 1), IntervalEnd: true})
		}
	}
	return texts, set
}

// among matches what a term has loaded against values that stand in the rule.
func (t term) among(texts []string, values anonymous) term {
	values.set.Anonymous, values.set.Constant = true, true
	t.text += "{ " + strings.Join(texts, ", ") + " }"
	t.exprs = append(t.exprs, &expr.Lookup{SourceRegister: register})
	t.set = &values
	return t
}

// Bits of a connection's state (NF_CT_STATE_BIT of enum ip_conntrack_info).
const (
	ctEstablished = 2
	ctRelated     = 4
)

// ctState matches a connection's state by its bit.
func ctState(name string, bit uint32) term {
	return term{text: "ct state " + name, exprs: ctBit(expr.CtKeySTATE, bit)}
}

// ctBit matches a bit of what conntrack knows.
func ctBit(key expr.CtKey, bit uint32) []expr.Any {
	return []expr.Any{
		&expr.Ct{Key: key, Register: register},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 4,
			Mask: binaryutil.NativeEndian.PutUint32(bit), Xor: make([]byte, 4)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: make([]byte, 4)},
	}
}

// icmpType is a message type of one family's ICMP with the name that the nft program has for it.
type icmpType struct {
	name string
	code byte
}

// isTranslated matches a packet of a connection whose client sent to another destination, a
// Service's. A reset would come from an address that the client does not know: the kernel does
// not translate the resets that it makes for packets of a bridge (Linux 6.18).
func isTranslated() term {
	const dnat = 1 << 5 // IPS_DST_NAT
	return term{text: "ct status dnat", exprs: ctBit(expr.CtKeySTATUS, dnat)}
}

// isForwarded matches a packet at the forward hook: at the output hook there is no interface that
// it came in by. What is there may be translated by IPVS, which the connection's status does not
// say.
func isForwarded() term {
	return term{text: "iif != 0", exprs: []expr.Any{
		meta(expr.MetaKeyIIF), &expr.Cmp{Op: expr.CmpOpNeq, Register: register,
			Data: make([]byte, 4)}}}
}

// isICMP matches messages of these types: of ICMP (family IPv4) or ICMPv6.
func isICMP(f ruleset.Family, types ...icmpType) term {
	word, proto, keyType := "icmp", byte(unix.IPPROTO_ICMP), nftables.TypeICMPType
	if f == ruleset.IPv6 {
		word, proto, keyType = "icmpv6", unix.IPPROTO_ICMPV6, nftables.TypeICMP6Type
	}
	t := term{text: word + " type ", exprs: append(isFamily(f).exprs,
		meta(expr.MetaKeyL4PROTO), equal([]byte{proto}),
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Len: 1},
	)}
	if len(types) == 1 {
		t.text += types[0].name
		t.exprs = append(t.exprs, equal([]byte{types[0].code}))
		return t
	}
	var names []string
	values := anonymous{set: nftables.Set{KeyType: keyType}}
	for _, m := range types {
		names = append(names, m.name)
		values.elements = append(values.elements, nftables.SetElement{Key: []byte{m.code}})
	}
	return t.among(names, values)
}

// isAnyICMP matches all messages of both ICMPs.
func isAnyICMP() term { return isAnyOf([]byte{unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6}) }

// protocolNames are those that the nft program prints (getprotobynumber).
var protocolNames = map[byte]string{
	unix.IPPROTO_ICMP: "icmp", unix.IPPROTO_ICMPV6: "ipv6-icmp",
	unix.IPPROTO_IPIP: "ipencap", unix.IPPROTO_IPV6: "ipv6", unix.IPPROTO_GRE: "gre",
}

// isAnyOf matches several transport protocols.
func isAnyOf(protocols []byte) term {
	t := term{text: "meta l4proto ", exprs: []expr.Any{meta(expr.MetaKeyL4PROTO)}}
	var names []string
	values := anonymous{set: nftables.Set{KeyType: nftables.TypeInetProto}}
	for _, p := range slices.Sorted(slices.Values(protocols)) {
		names = append(names, protocolNames[p])
		values.elements = append(values.elements, nftables.SetElement{Key: []byte{p}})
	}
	return t.among(names, values)
}

// isReset matches a TCP segment with the flag RST (RFC 9293), which opens nothing.
func isReset() term {
	const offset, bit = 13, 0x04
	return term{text: "tcp flags rst", exprs: append(isProtocol(ruleset.TCP).exprs,
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: offset,
			Len: 1},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 1, Mask: []byte{bit},
			Xor: []byte{0}},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: register, Data: []byte{0}},
	)}
}

// isTunnelPort matches a protocol and port at which a node unpacks tunnels.
func isTunnelPort() term {
	name := ruleset.TunnelPorts().String()
	return term{text: "meta l4proto . th dport @" + name, exprs: []expr.Any{
		meta(expr.MetaKeyL4PROTO),
		&expr.Payload{DestRegister: unix.NFT_REG32_00 + 1, Base: expr.PayloadBaseTransportHeader,
			Offset: 2, Len: 2},
		&expr.Lookup{SourceRegister: register, SetName: name},
	}}
}

// notBehind matches a packet that did not come in by the interface that its source is behind.
func notBehind(f ruleset.Family) term {
	set := ruleset.Behind(f).String()
	t := address(f, source)
	at := t.exprs[len(t.exprs)-1].(*expr.Payload)
	t.text = "iifname . " + t.text + " != @" + set
	t.exprs = append(isFamily(f).exprs, ofPort(expr.MetaKeyIIFNAME, *at, set, true)...)
	return t
}

// fibLocal matches an address that is the node's own.
func fibLocal(e end) term { return fibType(e, "local", unix.RTN_LOCAL) }

// fibUnicast matches an address that packets are sent on to.
func fibUnicast(e end) term { return fibType(e, "unicast", unix.RTN_UNICAST) }

// fibType matches an address by the type that the routing tables give it (RTN_LOCAL, RTN_UNICAST);
// word is the nft program's name for the type.
func fibType(e end, word string, number uint32) term {
	return term{text: "fib " + e.word() + " type " + word, exprs: []expr.Any{
		&expr.Fib{Register: register, ResultADDRTYPE: true, FlagSADDR: e == source,
			FlagDADDR: e == destination},
		equal(binaryutil.NativeEndian.PutUint32(number))}}
}

// onLink matches packets that no router has passed on: neighbour discovery has the hop limit 255
// (RFC 4861), a routed packet at most 254. It stands behind a term that matches IPv6 alone.
func onLink() term {
	return term{text: "ip6 hoplimit 255", exprs: []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: 7,
			Len: 1}, equal([]byte{255})}}
}

// fromLink matches the interface a packet came in by.
func fromLink(set string) term {
	return term{text: "iifname @" + set, exprs: []expr.Any{
		meta(expr.MetaKeyIIFNAME), &expr.Lookup{SourceRegister: register, SetName: set}}}
}

// noWayBack matches a packet whose source the node would not reach by the interface that it came
// in by. It stands behind a term that matches the family.
func noWayBack() term {
	return term{text: "fib saddr . iif oif 0", exprs: []expr.Any{
		&expr.Fib{Register: register, ResultOIF: true, FlagSADDR: true,
			FlagIIF: true}, equal(make([]byte, 4))}}
}

// notFrom matches a packet that came in by another interface than one.
func notFrom(link string) term {
	return term{text: fmt.Sprintf("iifname != %q", link), exprs: []expr.Any{
		meta(expr.MetaKeyIIFNAME), &expr.Cmp{Op: expr.CmpOpNeq, Register: register,
			Data: linkKey(link)}}}
}

// counter counts the packets that matched all terms before it, and their bytes.
func counter() term { return term{text: "counter", exprs: []expr.Any{&expr.Counter{}}} }

// logged sends a sample of the packets to a log group (NFLOG).
func logged(prefix string) term {
	return term{
		text: fmt.Sprintf("limit rate %d/second burst %d packets log prefix %q group %d", logRate,
			logBurst, prefix, logGroup),
		exprs: []expr.Any{
			&expr.Limit{Type: expr.LimitTypePkts, Rate: logRate, Unit: expr.LimitTimeSecond,
				Burst: logBurst},
			&expr.Log{Key: 1<<unix.NFTA_LOG_GROUP | 1<<unix.NFTA_LOG_PREFIX, Group: logGroup,
				Data: []byte(prefix)},
		},
	}
}

// verdict says what becomes of a packet; chain is where a jump or goto leads, else empty.
func verdict(kind expr.VerdictKind, chain string) term {
	words := map[expr.VerdictKind]string{
		expr.VerdictAccept: "accept", expr.VerdictDrop: "drop", expr.VerdictReturn: "return",
		expr.VerdictJump: "jump " + chain, expr.VerdictGoto: "goto " + chain,
	}
	return term{text: words[kind], exprs: []expr.Any{&expr.Verdict{Kind: kind, Chain: chain}}}
}

// rejectReset answers with a TCP reset. It stands behind a term that matches TCP.
func rejectReset() term {
	return term{text: "reject with tcp reset",
		exprs: []expr.Any{&expr.Reject{Type: unix.NFT_REJECT_TCP_RST}}}
}

// rejectProhibited answers with an ICMP or ICMPv6 error, as the packet's family is (icmpx), that
// says an administrator has prohibited it. The nft program reads the word type whatever its version
// is, does without it from 1.0 on, and prints it no more.
func rejectProhibited() term {
	return term{text: "reject with icmpx type admin-prohibited", exprs: []expr.Any{
		&expr.Reject{Type: unix.NFT_REJECT_ICMPX_UNREACH,
			Code: unix.NFT_REJECT_ICMPX_ADMIN_PROHIBITED}}}
}
