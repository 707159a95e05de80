package sandbox

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Protocol is what a probe speaks. The zero value is TCP.
type Protocol uint8

// The protocols of probes.
const (
	TCP Protocol = iota
	UDP
)

func (p Protocol) String() string {
	switch p {
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	}
	return fmt.Sprintf("protocol(%d)", uint8(p))
}

// Probe is one question: does From reach the pod To at Addr and Port? To is the
// pod that must answer; an empty To takes anybody's answer, as behind a Service.
type Probe struct {
	From, To string
	Addr     netip.Addr
	Protocol Protocol
	Port     uint16
}

func (p Probe) String() string {
	at := netip.AddrPortFrom(p.Addr, p.Port)
	return fmt.Sprintf("%s -> %s (%s %s)", p.From, p.To, p.Protocol, at)
}

// Outcome is what a probe heard. The zero value is Silent.
type Outcome uint8

// The outcomes of a probe.
const (
	Silent   Outcome = iota // nothing until the deadline, or a connection without an answer
	Open                    // the right answer
	Refused                 // a TCP reset or an ICMP error
	Stranger                // an answer, but not the expected pod's
)

func (o Outcome) String() string {
	switch o {
	case Silent:
		return "silent"
	case Open:
		return "open"
	case Refused:
		return "refused"
	case Stranger:
		return "stranger"
	}
	return fmt.Sprintf("outcome(%d)", uint8(o))
}

// refuses tells the errors by which a socket reports a reset or an ICMP error.
// Where the kernel finds no route by itself, it uses some of them too, but
// then at once, from connect, which is not a refusal but a broken sandbox.
func refuses(err error) bool {
	switch err {
	case unix.ECONNREFUSED, // reset, or port unreachable
		unix.ECONNRESET,   // reset after the handshake
		unix.EHOSTUNREACH, // host unreachable; ICMPv4 prohibited or filtered
		unix.ENETUNREACH,  // net unreachable; ICMPv4 net prohibited
		unix.EACCES,       // ICMPv6 prohibited, policy, reject route
		unix.ENOPROTOOPT:  // ICMPv4 protocol unreachable
		return true
	}
	return false
}
