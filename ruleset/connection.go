package ruleset

import (
	"cmp"
	"fmt"
	"net/netip"
)

// Connection is a connection that is open: its two ends as the forward hook sees them, which is
// after the destination was translated and before the source is. From opened it. The ports are 0
// where the protocol has none that a NetworkPolicy could name.
type Connection struct {
	From, To netip.AddrPort
	Proto    Protocol // never AnyProtocol
}

// HasPorts reports whether a NetworkPolicy can name ports of the protocol.
func (p Protocol) HasPorts() bool { return p == TCP || p == UDP || p == SCTP }

// Flow is the connection's first packet.
func (c Connection) Flow() Flow {
	f := Flow{From: c.From.Addr(), To: c.To.Addr()}
	if c.Proto.HasPorts() {
		f.Proto, f.Port = c.Proto, c.To.Port()
	}
	return f
}

// Reverse is the same connection as if the other end had opened it.
func (c Connection) Reverse() Connection {
	return Connection{From: c.To, To: c.From, Proto: c.Proto}
}

// EitherEnd reports whether a packet of either end looks like one that opens a connection: both
// have the same port, as in gossip, SIP, NTP, IKE and WireGuard, or the protocol has none. With
// other ports the one that opened it is a client, whose port its kernel chose, and the other end
// only answers.
func (c Connection) EitherEnd() bool { return c.From.Port() == c.To.Port() }

// Compare orders by protocol, then by the ends.
func (c Connection) Compare(o Connection) int {
	return cmp.Or(cmp.Compare(c.Proto, o.Proto), c.From.Compare(o.From), c.To.Compare(o.To))
}

// String names the ends, the one that opened it first, and the protocol: 10.0.0.1:33000 >
// 10.0.0.2:80 tcp. Without ports the ends are addresses.
func (c Connection) String() string {
	if !c.Proto.HasPorts() {
		return fmt.Sprintf("%s > %s %s", c.From.Addr(), c.To.Addr(), c.Proto)
	}
	return fmt.Sprintf("%s > %s %s", c.From, c.To, c.Proto)
}

// DecideFates says what becomes of open connections after a change, in their order.
type DecideFates func([]Connection) ([]Fate, error)

// Fate is what becomes of an open connection after a change. The zero value leaves it alone.
type Fate uint8

// The fates.
const (
	Stays Fate = iota
	Cut        // its packets are dropped, whichever end sends them, and conntrack keeps it
	Ended      // conntrack forgets it, so that its next packet counts as the first of a new one
)
