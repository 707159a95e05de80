package iptables

import (
	goiptables "github.com/coreos/go-iptables/iptables"

	"github.com/picket-project/picket/ruleset"
)

// facts is what differs between the families.
type facts struct {
	program    string              // begins the names of its iptables programs
	protocol   goiptables.Protocol // what go-iptables calls the family
	set        string              // the word for it that ipset has
	icmp       string              // the name of its ICMP
	icmpMatch  string              // the match for a message of it, with the option for its type
	prohibited string              // how an administrator's denial is answered
	// the types of the messages that only a router sends
	router []string
	toMany string // the types of addresses of many; xt_addrtype knows no broadcast in IPv6
}

// families is the facts of both.
var families = map[ruleset.Family]facts{
	ruleset.IPv4: {"iptables-legacy", goiptables.ProtocolIPv4, "inet", "icmp", "-m icmp --icmp-type ",
		"icmp-admin-prohibited", []string{redirect}, "BROADCAST,MULTICAST"},
	ruleset.IPv6: {"ip6tables-legacy", goiptables.ProtocolIPv6, "inet6", "ipv6-icmp", "-m icmp6 --icmpv6-type ",
		"icmp6-adm-prohibited", []string{"134", "137"}, "MULTICAST"},
}

// redirect is the type of an ICMP redirect, which is no error about a connection (RFC 792).
const redirect = "5"

// Types of neighbour discovery (RFC 4861).
var neighbourTypes = []string{"135", "136"}

// tunnelProtocols carry packets without ports: IPv4 and IPv6 in IP, GRE (IANA protocol numbers).
var tunnelProtocols = []string{"4", "41", "47"}

// end is one of the two addresses in a packet.
type end uint8

const (
	source end = iota
	destination
)

// word is the word for it in a lookup: src or dst.
func (e end) word() string { return [...]string{"src", "dst"}[e] }

// option is the option that compares it.
func (e end) option() string { return [...]string{"-s", "-d"}[e] }

// subjectEnd says where a direction finds its subject.
func subjectEnd(d ruleset.Direction) end {
	if d == ruleset.Ingress {
		return destination
	}
	return source
}

// peerEnd says where a direction finds its peer: at the other end.
func peerEnd(d ruleset.Direction) end { return 1 - subjectEnd(d) }
