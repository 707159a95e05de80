package sandbox

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Protocol is what a probe speaks. The zero value is TCP.
type Protocol uint8

// The protocols of probes.
const (
	TCP Protocol = iota
	UDP
	SCTP // where the kernel has it: see Supported
)

func (p Protocol) String() string {
	switch p {
	case TCP:
		return "TCP"
	case UDP:
		return "UDP"
	case SCTP:
		return "SCTP"
	}
	return fmt.Sprintf("protocol(%d)", uint8(p))
}

// Supported is an error that says why this machine has no sockets of a protocol; nil if it has. To
// ask for a socket loads the kernel's module, if there is one.
func (p Protocol) Supported() error {
	kind, number := p.socket()
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, number)
	if err == nil {
		return unix.Close(fd)
	}
	if err == unix.EPROTONOSUPPORT {
		return fmt.Errorf("the kernel has no %s sockets", p)
	}
	return os.NewSyscallError("socket", err)
}

// socket is the type and the protocol number of a socket; 0 is the usual protocol of the type.
func (p Protocol) socket() (kind, number int) {
	switch p {
	case UDP:
		return unix.SOCK_DGRAM, 0
	case SCTP:
		return unix.SOCK_STREAM, unix.IPPROTO_SCTP
	}
	return unix.SOCK_STREAM, 0
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
