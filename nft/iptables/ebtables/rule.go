package ebtables

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Rule is one rule of a chain. Rules that are made of equal terms are the same.
type Rule struct {
	text string // as the program takes it, without its chain; empty: it was read
	// struct ebt_entry with all that follows it; where to is not empty, without the verdict
	body string
	to   string // a chain, or a word of verdicts; empty: body says it
	read int    // its number in the table that it was read from, from 1
}

// Verdicts. Others' rules and chains can have each of them.
const (
	Accept = "ACCEPT"
	Drop   = "DROP"
	goOn   = "CONTINUE"
	Return = "RETURN"
)

// verdicts are the words for EBT_ACCEPT, EBT_DROP, EBT_CONTINUE and EBT_RETURN: -1 to -4.
var verdicts = [...]string{Accept, Drop, goOn, Return}

// String is the rule as arguments of the program.
func (r Rule) String() string { return r.text }

// same reports whether two rules do the same.
func (r Rule) same(o Rule) bool { return r.body == o.body && r.to == o.to }

// Term is a condition of a rule.
type Term struct {
	text string
	put  func(*draft)
}

// draft is a rule that is being made.
type draft struct {
	entry   [sizeOfEntry]byte
	matches []byte
}

// NewRule makes a rule that leads to a chain or a verdict, with terms in the order in which the
// program prints them.
func NewRule(to string, terms ...Term) Rule {
	var words []string
	var d draft
	d.set(flagsAt, entryFlag|noProtocol)
	for _, t := range terms {
		words = append(words, t.text)
		t.put(&d)
	}
	target := sizeOfEntry + len(d.matches)
	put32(d.entry[watchersAt:], uint32(target))
	put32(d.entry[targetAt:], uint32(target))
	put32(d.entry[nextAt:], uint32(target+sizeOfTarget+sizeOfVerdict))
	body := append(append(d.entry[:], d.matches...), head(standard, sizeOfVerdict)...)
	body = append(body, make([]byte, sizeOfVerdict)...)
	return Rule{text: strings.Join(append(words, "-j", to), " "), body: string(body), to: to}
}

// Protocol matches frames by their EtherType, and those with a tag as TaggedFrame.
func Protocol(etherType uint16) Term {
	return Term{"-p " + protocols[etherType], func(d *draft) {
		d.clear(flagsAt, noProtocol)
		binary.BigEndian.PutUint16(d.entry[protocolAt:], etherType)
	}}
}

// EtherTypes (IEEE 802 Numbers). Of a frame with a tag the kernel says that it is of IEEE 802.1Q,
// whichever tag it had.
const (
	IPv4        = 0x0800
	ARP         = 0x0806
	TaggedFrame = 0x8100
	IPv6        = 0x86dd
)

// protocols are the program's names for them.
var protocols = map[uint16]string{IPv4: "IPv4", ARP: "ARP", TaggedFrame: "802_1Q", IPv6: "IPv6"}

// In matches frames that came by a port.
func In(port string) Term {
	return Term{"-i " + port, func(d *draft) { copy(d.entry[inAt:inAt+maxPort], port) }}
}

// Out matches frames that leave by a port.
func Out(port string) Term {
	return Term{"-o " + port, func(d *draft) { copy(d.entry[outAt:outAt+maxPort], port) }}
}

// SourceMAC compares those bits of the sender's MAC address that are set in a mask.
func SourceMAC(mac, mask [6]byte) Term {
	return Term{"-s " + masked(mac, mask), func(d *draft) {
		d.set(flagsAt, bySourceMAC)
		copy(d.entry[sourceMACAt:], mac[:])
		copy(d.entry[sourceMACAt+len(mac):], mask[:])
	}}
}

// DestinationMAC does so with the receiver's.
func DestinationMAC(mac, mask [6]byte) Term {
	return Term{"-d " + masked(mac, mask), func(d *draft) {
		d.set(flagsAt, byDestinationMAC)
		copy(d.entry[destinationMACAt:], mac[:])
		copy(d.entry[destinationMACAt+len(mac):], mask[:])
	}}
}

// AllMAC is the mask of all bits.
var AllMAC = [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

func masked(mac, mask [6]byte) string {
	text := net.HardwareAddr(mac[:]).String()
	if mask != AllMAC {
		text += "/" + net.HardwareAddr(mask[:]).String()
	}
	return text
}

// VLAN matches the number in the tag of a TaggedFrame (struct ebt_vlan_info).
func VLAN(id uint16) Term {
	return Term{fmt.Sprint("--vlan-id ", id), func(d *draft) {
		data := make([]byte, 8)
		binary.NativeEndian.PutUint16(data, id)
		data[6] = 0x01 // EBT_VLAN_ID
		d.match("vlan", data)
	}}
}

// ARPSender matches ARP of who says that it has an address of an IPv4 prefix (struct ebt_arp_info).
func ARPSender(p netip.Prefix) Term {
	return Term{"--arp-ip-src " + shortest(p), func(d *draft) {
		data := make([]byte, 52)
		copy(data[8:], p.Addr().AsSlice())
		copy(data[12:], maskOf(p))
		data[48] = 0x08 // EBT_ARP_SRC_IP
		d.match("arp", data)
	}}
}

// Destination matches packets to a prefix of the frame's protocol.
func Destination(p netip.Prefix) Term {
	to, _ := netip.AddrFromSlice(maskOf(p))
	t := DestinationBits(p.Addr(), to)
	t.text, _, _ = strings.Cut(t.text, "/")
	t.text = strings.TrimSuffix(t.text, p.Addr().String()) + shortest(p)
	return t
}

// DestinationBits compares those bits of a packet's destination that are set in a mask (struct
// ebt_ip_info, struct ebt_ip6_info).
func DestinationBits(a, mask netip.Addr) Term {
	name, word, size, flags := "ip", "--ip-dst", 28, 18
	if a.Is6() {
		name, word, size, flags = "ip6", "--ip6-dst", 76, 66
	}
	return Term{fmt.Sprintf("%s %s/%s", word, a, mask), func(d *draft) {
		length := a.BitLen() / 8
		data := make([]byte, size)
		copy(data[length:], a.AsSlice())
		copy(data[3*length:], mask.AsSlice())
		data[flags] = 0x02 // EBT_IP_DEST, EBT_IP6_DEST
		d.match(name, data)
	}}
}

// ICMPv6 matches messages of a type, of any code (struct ebt_ip6_info).
func ICMPv6(number uint8) Term {
	text := fmt.Sprintf("--ip6-proto ipv6-icmp --ip6-icmp-type %d/0:255", number)
	return Term{text, func(d *draft) {
		data := make([]byte, 76)
		data[65], data[66] = 58, 0x08|0x40 // EBT_IP6_PROTO, EBT_IP6_ICMP6
		data[68], data[69], data[73] = number, number, 0xff
		d.match("ip6", data)
	}}
}

// shortest writes a prefix, one of a single address without its length.
func shortest(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// maskOf is the mask of a prefix.
func maskOf(p netip.Prefix) []byte { return net.CIDRMask(p.Bits(), p.Addr().BitLen()) }

// match adds a match with its data.
func (d *draft) match(name string, data []byte) {
	size := (len(data) + alignment - 1) / alignment * alignment
	d.matches = append(append(d.matches, head(name, size)...), data...)
	d.matches = append(d.matches, make([]byte, size-len(data))...)
}

func (d *draft) set(at int, flags uint32) {
	put32(d.entry[at:], u32(d.entry[at:])|flags)
}

func (d *draft) clear(at int, flags uint32) {
	put32(d.entry[at:], u32(d.entry[at:])&^flags)
}
