package ruleset

import (
	"fmt"
	"strings"
)

// Protocol is an IANA protocol number. The zero value stands for every protocol, ports or not.
type Protocol uint8

// The protocols that a NetworkPolicy can name (NetworkPolicyPort.protocol).
const (
	AnyProtocol Protocol = 0
	TCP         Protocol = 6
	UDP         Protocol = 17
	SCTP        Protocol = 132
)

// Protocols lists those that have ports.
var Protocols = [...]Protocol{TCP, UDP, SCTP}

// ParseProtocol reads tcp, udp or sctp in any case.
func ParseProtocol(s string) (Protocol, error) {
	for _, p := range Protocols {
		if strings.EqualFold(s, p.String()) {
			return p, nil
		}
	}
	return AnyProtocol, fmt.Errorf("protocol %q: expected tcp, udp or sctp", s)
}

// String is tcp, udp, sctp or any; another protocol is shown by its number: proto-47.
func (p Protocol) String() string {
	switch p {
	case AnyProtocol:
		return "any"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case SCTP:
		return "sctp"
	default:
		return fmt.Sprintf("proto-%d", uint8(p))
	}
}

// PortRange is the ports from First to Last, both included.
type PortRange struct{ First, Last uint16 }

// Contains reports whether port lies in r.
func (r PortRange) Contains(port uint16) bool { return r.First <= port && port <= r.Last }

// String is 80 or 8000-8080.
func (r PortRange) String() string {
	if r.First == r.Last {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}
