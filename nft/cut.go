package nft

import (
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Connections that a change of the program forbids are cut by chains and sets of their own, which
// are there only while there are any, because every packet has to be looked up in them:
//
//	forward, output, just before the frame ──► chain cut, cutoutput
//	     in a connection: who opened it to whom, in set cutflows4/6 or cutpairs4/6 ────────► drop
//	     in none: a server's packet from the middle of a connection in cutflows4/6,
//	              or of any, to a client in cutclients4/6 ─────────────────────────────────► drop
//
// What is cut stays in conntrack, so that it can go on where it is allowed again. Where conntrack
// has forgotten it, the frame decides about its next packet: one of the client is denied, but the
// server might be allowed to open a connection to its client. The last rows keep it from taking up
// the old one.
const (
	cutChain       = "cut"
	cutOutputChain = "cutoutput"
	cutPriority    = priority - 1
)

// cutKind is what a set of cuts holds.
type cutKind uint8

const (
	cutFlows   cutKind = iota // client, server, protocol and the server's port
	cutPairs                  // client and server, of the protocols without ports
	cutClients                // client and protocol
)

var cutKinds = [...]cutKind{cutFlows, cutPairs, cutClients}

// cutSetName names the set of a family's cuts of a kind.
func cutSetName(f ruleset.Family, k cutKind) string {
	return fmt.Sprintf("cut%s%d", [...]string{"flows", "pairs", "clients"}[k], f)
}

// parseCutSet reads the name of a set of cuts.
func parseCutSet(name string) (f ruleset.Family, k cutKind, ok bool) {
	for _, f := range ruleset.Families {
		for _, k := range cutKinds {
			if name == cutSetName(f, k) {
				return f, k, true
			}
		}
	}
	return 0, 0, false
}

// cutFrame is the chains. What the node itself sends by output is nobody's that could be cut.
func cutFrame() []frameChain {
	own := newRule(fibLocal(source), verdict(expr.VerdictAccept, "")).because("the node's own")
	forward := &hook{"forward", *nftables.ChainHookForward, cutPriority}
	output := &hook{"output", *nftables.ChainHookOutput, cutPriority}
	return []frameChain{
		{cutChain, forward, cutRules()},
		{cutOutputChain, output, append([]rule{own}, cutRules()...)},
	}
}

// cutRules are the rules of both chains for packets of both families: first those for connections
// that conntrack knows, then those for packets of none. To accept a packet here only hands it on to
// the frame.
func cutRules() []rule {
	accept := verdict(expr.VerdictAccept, "")
	var opened, first []rule
	for _, f := range ruleset.Families {
		established := ctState("established", ctEstablished)
		opened = append(opened,
			dropping("no longer allowed", established, ctDirection("original", ctOriginal),
				toServer(f)),
			dropping("no longer allowed", established, ctDirection("reply", ctReply), asServer(f)),
			dropping("no longer allowed", established, hasNoPorts(), inCutPairs(f)))
		first = append(first,
			dropping("a server takes up what was cut", asTCPServer(f)),
			dropping("a server takes up what was cut", isNoTCP(), asServer(f), notToServer(f)),
			dropping("a server takes up what may have been cut", inCutClients(f)))
	}
	goesOn := ctState("established,related", ctEstablished|ctRelated)
	opened = append(opened, newRule(goesOn, accept).because("as it was"),
		newRule(opensTCP(), accept).because("opens a connection"))
	return append(opened, first...)
}

// Directions of a connection (enum ip_conntrack_dir).
const (
	ctOriginal = 0
	ctReply    = 1
)

// ctDirection matches a packet by whether the end that opened its connection has sent it.
func ctDirection(name string, direction byte) term {
	return term{text: "ct direction " + name, exprs: []expr.Any{
		&expr.Ct{Key: expr.CtKeyDIRECTION, Register: register}, equal([]byte{direction})}}
}

// cutKey loads parts of a key into the 4-byte registers from the first on, and looks it up.
type cutKey struct {
	term
	next uint32
}

// newCutKey returns an empty key behind expressions that match something first.
func newCutKey(first ...expr.Any) cutKey { return cutKey{term{exprs: first}, unix.NFT_REG32_00} }

// packetKey is for packets of one family.
func packetKey(f ruleset.Family) cutKey { return newCutKey(isFamily(f).exprs...) }

// part adds a field of some bytes to the key. load makes the expression that loads it into a
// register; each field begins at a register of its own, of 4 bytes.
func (k cutKey) part(text string, length uint32, load func(register uint32) expr.Any) cutKey {
	if k.text != "" {
		text = k.text + " . " + text
	}
	exprs := append(slices.Clip(k.exprs), load(k.next))
	return cutKey{term{text: text, exprs: exprs}, k.next + (length+3)/4}
}

// in looks the key up in a set. With invert it matches what is not there.
func (k cutKey) in(set string, invert bool) term {
	not := ""
	if invert {
		not = "!= "
	}
	lookup := &expr.Lookup{SourceRegister: register, SetName: set, Invert: invert}
	return term{text: k.text + " " + not + "@" + set, exprs: append(slices.Clip(k.exprs), lookup)}
}

// proto adds the packet's transport protocol.
func (k cutKey) proto() cutKey {
	return k.part("meta l4proto", 1, func(r uint32) expr.Any {
		return &expr.Meta{Key: expr.MetaKeyL4PROTO, Register: r}
	})
}

// opener adds the address of the end that opened the connection, as conntrack has it (Linux 4.17).
// There is none where the connection is of the other family.
func (k cutKey) opener(f ruleset.Family) cutKey { return k.tracked(f, "original", ctOriginal) }

// answerer adds the address of the other end, from which replies come.
func (k cutKey) answerer(f ruleset.Family) cutKey { return k.tracked(f, "reply", ctReply) }

// tracked adds the source address of one direction of a connection (NFTA_CT_DIRECTION).
func (k cutKey) tracked(f ruleset.Family, word string, direction uint32) cutKey {
	at := fields[f]
	keys := map[ruleset.Family]expr.CtKey{
		ruleset.IPv4: expr.CtKeySRCIP, ruleset.IPv6: expr.CtKeySRCIP6,
	}
	return k.part(fmt.Sprintf("ct %s %s saddr", word, at.word), at.length, func(r uint32) expr.Any {
		return &expr.Ct{Key: keys[f], Direction: direction, Register: r}
	})
}

// addr adds one of the two addresses in the packet.
func (k cutKey) addr(f ruleset.Family, e end) cutKey {
	at := fields[f]
	return k.part(at.word+" "+e.word(), at.length, func(r uint32) expr.Any {
		return &expr.Payload{
			DestRegister: r, Base: expr.PayloadBaseNetworkHeader, Len: at.length,
			Offset: [...]uint32{at.source, at.dest}[e],
		}
	})
}

// port adds one of the two ports in the packet. TCP, UDP and SCTP begin with the source port and
// then the destination port; header is the nft program's word for the protocol, or th for any.
func (k cutKey) port(header string, e end) cutKey {
	return k.part(header+[...]string{" sport", " dport"}[e], 2, func(r uint32) expr.Any {
		return &expr.Payload{
			DestRegister: r, Base: expr.PayloadBaseTransportHeader, Len: 2,
			Offset: [...]uint32{0, 2}[e],
		}
	})
}

// toServer matches a packet that the client of a cut flow could have sent.
func toServer(f ruleset.Family) term {
	key := packetKey(f).addr(f, source).addr(f, destination).proto().port("th", destination)
	return key.in(cutSetName(f, cutFlows), false)
}

// inCutPairs matches a packet by who opened its connection to whom.
func inCutPairs(f ruleset.Family) term {
	return newCutKey().opener(f).answerer(f).in(cutSetName(f, cutPairs), false)
}

// asServer matches a packet that the server of a cut flow could have sent.
func asServer(f ruleset.Family) term {
	return fromServer(packetKey(f), f).port("th", source).in(cutSetName(f, cutFlows), false)
}

// asTCPServer is asServer for TCP alone, which is compared before the addresses are loaded.
func asTCPServer(f ruleset.Family) term {
	key := newCutKey(slices.Concat(isFamily(f).exprs, isProtocol(ruleset.TCP).exprs)...)
	return fromServer(key, f).port("tcp", source).in(cutSetName(f, cutFlows), false)
}

// notToServer matches one that does not also go to such a port, as it does where both ends have the
// same. It stands behind asServer.
func notToServer(f ruleset.Family) term {
	t := fromServer(packetKey(f), f).port("th", destination).in(cutSetName(f, cutFlows), true)
	t.exprs = t.exprs[len(isFamily(f).exprs):]
	return t
}

// fromServer adds the client, the server and the protocol of a packet that a server sends, in the
// order that the key of a flow has. The caller adds the port.
func fromServer(k cutKey, f ruleset.Family) cutKey {
	return k.addr(f, destination).addr(f, source).proto()
}

// inCutClients matches a packet by the client it goes to.
func inCutClients(f ruleset.Family) term {
	return packetKey(f).addr(f, destination).proto().in(cutSetName(f, cutClients), false)
}

// hasNoPorts matches the protocols that a NetworkPolicy can't name.
func hasNoPorts() term {
	t := term{text: "meta l4proto != ", exprs: []expr.Any{meta(expr.MetaKeyL4PROTO)}}
	var names []string
	values := anonymous{set: nftables.Set{KeyType: nftables.TypeInetProto}}
	for _, p := range ruleset.Protocols {
		names = append(names, p.String())
		values.elements = append(values.elements, nftables.SetElement{Key: []byte{byte(p)}})
	}
	t = t.among(names, values)
	t.exprs[len(t.exprs)-1].(*expr.Lookup).Invert = true
	return t
}

// isNoTCP matches all transport protocols but TCP, of which opensTCP tells which packets open a
// connection.
func isNoTCP() term {
	t := isProtocol(ruleset.TCP)
	t.text = "meta l4proto != tcp"
	t.exprs[len(t.exprs)-1].(*expr.Cmp).Op = expr.CmpOpNeq
	return t
}

// opensTCP matches a connection's first segment: of the flags FIN, SYN, RST and ACK it has SYN
// alone (RFC 9293).
func opensTCP() term {
	const fin, syn, rst, ack = 1, 2, 4, 16
	return term{text: "tcp flags syn / fin,syn,rst,ack",
		exprs: append(isProtocol(ruleset.TCP).exprs,
			&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 13,
				Len: 1},
			&expr.Bitwise{
				SourceRegister: register, DestRegister: register, Len: 1,
				Mask: []byte{fin | syn | rst | ack}, Xor: []byte{0},
			},
			equal([]byte{syn}),
		)}
}
