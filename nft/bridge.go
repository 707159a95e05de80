package nft

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Terms of the bridge family, where a packet's protocol is that of its frame.

// isEther matches frames with packets of one IP version.
func isEther(f ruleset.Family) term { return inFrame(fields[f].word, fields[f].ether) }

// inFrame matches frames by their EtherType, which is what "meta protocol" means in the bridge
// family; word is the nft program's name for it.
func inFrame(word string, etherType uint16) term {
	return term{text: "meta protocol " + word, exprs: []expr.Any{
		meta(expr.MetaKeyPROTOCOL), equal(binary.BigEndian.AppendUint16(nil, etherType))}}
}

// onBridge turns a term that begins with the family of its packet into one of the bridge family.
func onBridge(f ruleset.Family, t term) term {
	t.exprs = append(isEther(f).exprs, t.exprs[len(isFamily(f).exprs):]...)
	return t
}

// notARP matches all frames but ARP.
func notARP() term {
	t := inFrame("!= arp", unix.ETH_P_ARP)
	t.exprs[len(t.exprs)-1].(*expr.Cmp).Op = expr.CmpOpNeq
	return t
}

// notPacket matches frames that are neither IPv4 nor IPv6 nor ARP.
func notPacket() term {
	var names []string
	values := anonymous{set: nftables.Set{KeyType: nftables.TypeEtherType}}
	for _, f := range ruleset.Families {
		names = append(names, fields[f].word)
		values.elements = append(values.elements, nftables.SetElement{Key: port16(fields[f].ether)})
	}
	names, values.elements = append(names, "arp"), append(values.elements,
		nftables.SetElement{Key: port16(unix.ETH_P_ARP)})
	t := term{text: "meta protocol != ", exprs: []expr.Any{meta(expr.MetaKeyPROTOCOL)}}.among(names,
		values)
	t.exprs[len(t.exprs)-1].(*expr.Lookup).Invert = true
	return t
}

// notFromLink matches what came in by any interface but those of a set.
func notFromLink(set string) term {
	t := fromLink(set)
	t.text = "iifname != @" + set
	t.exprs[len(t.exprs)-1].(*expr.Lookup).Invert = true
	return t
}

// outside matches a source that none of these prefixes has. It stands behind a term that matches
// their family.
func outside(prefixes ...netip.Prefix) term {
	var t term
	for _, p := range prefixes {
		in := inPrefix(p, source)
		in.exprs = in.exprs[len(isFamily(ruleset.FamilyOf(p.Addr())).exprs):]
		in.exprs[len(in.exprs)-1].(*expr.Cmp).Op = expr.CmpOpNeq
		word := fields[ruleset.FamilyOf(p.Addr())].word + " saddr "
		in.text = word + "!= " + strings.TrimPrefix(in.text, word)
		t.text, t.exprs = strings.TrimSpace(t.text+" "+in.text), append(t.exprs, in.exprs...)
	}
	return t
}

// toOne matches frames to one interface, not to a group or all.
func toOne() term {
	return receiver(net.HardwareAddr{1, 0, 0, 0, 0, 0}, make(net.HardwareAddr, 6))
}

// receiver matches frames by some bits of the MAC address that they go to.
func receiver(mask, bits net.HardwareAddr) term {
	return term{text: fmt.Sprintf("ether daddr & %s == %s", mask, bits), exprs: []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseLLHeader, Len: 6},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 6, Mask: mask,
			Xor: make([]byte, 6)},
		equal(bits),
	}}
}

// toBridgeGroup matches a frame to one of the groups that bridges keep to themselves (IEEE 802.1Q, table
// 8-1). The kernel hands one up as if its port were of no bridge, past all hooks of bridges.
func toBridgeGroup() term {
	t := receiver(net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xf0},
		net.HardwareAddr{1, 0x80, 0xc2, 0, 0, 0})
	// The nft program asks by itself whether there is such a header.
	t.text = "meta pkttype multicast " + t.text
	t.exprs = append([]expr.Any{meta(expr.MetaKeyPKTTYPE), equal([]byte{unix.PACKET_MULTICAST}),
		meta(expr.MetaKeyIIFTYPE), equal(binaryutil.NativeEndian.PutUint16(unix.ARPHRD_ETHER))},
		t.exprs...)
	return t
}

// otherMAC matches frames that say they come from the interface of a pod behind another port.
func otherMAC() term {
	sender := expr.Payload{DestRegister: register, Base: expr.PayloadBaseLLHeader, Offset: 6,
		Len: 6}
	t := term{
		text:  "iifname . ether saddr != @" + ownMACSet + " ether saddr @" + macSet,
		exprs: ofPort(expr.MetaKeyIIFNAME, sender, ownMACSet, true),
	}
	t.exprs = append(t.exprs, &sender, &expr.Lookup{SourceRegister: register, SetName: macSet})
	return t
}

// toLink matches the port a frame goes out by.
func toLink(set string) term {
	return term{text: "oifname @" + set, exprs: []expr.Any{
		meta(expr.MetaKeyOIFNAME), &expr.Lookup{SourceRegister: register, SetName: set}}}
}

// vlanZero matches a tag of the VLAN 0, which a receiver takes off, and looks at what is behind it.
func vlanZero(word string, etherType uint16) term {
	return term{text: "ether type " + word + " vlan id 0", exprs: []expr.Any{
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseLLHeader, Offset: 12,
			Len: 2}, equal(binary.BigEndian.AppendUint16(nil, etherType)),
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseLLHeader, Offset: 14, Len: 2},
		&expr.Bitwise{SourceRegister: register, DestRegister: register, Len: 2,
			Mask: []byte{0x0f, 0xff}, Xor: []byte{0, 0}},
		equal([]byte{0, 0}),
	}}
}

// isTaken matches an address of the packet that is a pod's or a node's.
func isTaken(f ruleset.Family, e end) term {
	t := onBridge(f, address(f, e))
	t.text += " @" + takenSetName(f)
	t.exprs = append(t.exprs, &expr.Lookup{SourceRegister: register, SetName: takenSetName(f)})
	return t
}

// ownAddress matches an address of the packet that belongs to the pod behind the port: that which
// it came from (source) or goes to (destination).
func ownAddress(f ruleset.Family, e end) term {
	link, word := expr.MetaKeyIIFNAME, "iifname"
	if e == destination {
		link, word = expr.MetaKeyOIFNAME, "oifname"
	}
	t := onBridge(f, address(f, e))
	at := t.exprs[len(t.exprs)-1].(*expr.Payload)
	t.text = word + " . " + t.text + " @" + ownSetName(f)
	t.exprs = append(t.exprs[:len(t.exprs)-1], ofPort(link, *at, ownSetName(f), false)...)
	return t
}

// ofPort looks a port up together with an address.
func ofPort(link expr.MetaKey, address expr.Payload, set string, invert bool) []expr.Any {
	const name = unix.NFT_REG32_00
	address.DestRegister = name + unix.IFNAMSIZ/4 // registers of 4 bytes
	return []expr.Any{&expr.Meta{Key: link, Register: name}, &address,
		&expr.Lookup{SourceRegister: register, SetName: set, Invert: invert}}
}

// arpField is the address that the sender of an ARP packet says is its own (RFC 826).
var arpField = expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: 14,
	Len: 4}

// arpTaken matches ARP of a sender that says it has an address of a pod or node.
func arpTaken() term {
	at, set := arpField, takenSetName(ruleset.IPv4)
	t := inFrame("arp", unix.ETH_P_ARP)
	t.text = "arp saddr ip @" + set
	t.exprs = append(t.exprs, &at, &expr.Lookup{SourceRegister: register, SetName: set})
	return t
}

// arpByOther matches ARP of a sender whose address is not of the pod behind the port it came in by.
// It stands behind a term that matches ARP.
func arpByOther() term {
	own := ownSetName(ruleset.IPv4)
	return term{text: "iifname . arp saddr ip != @" + own,
		exprs: ofPort(expr.MetaKeyIIFNAME, arpField, own, true)}
}
