package ruleset

import (
	"cmp"
	"fmt"
	"net/netip"
)

// Connection is a connection that is open: its two ends as the forward hook sees them, which is after the
// destination was translated and before the source is. From opened it. The ports are 0 where the protocol
// has none that a NetworkPolicy could name; then all connections of that protocol between the two are one.
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

// Compare orders by protocol, then by the ends.
func (c Connection) Compare(o Connection) int {
	return cmp.Or(cmp.Compare(c.Proto, o.Proto), c.From.Compare(o.From), c.To.Compare(o.To))
}

func (c Connection) String() string {
	if !c.Proto.HasPorts() {
		return fmt.Sprintf("%s > %s %s", c.From.Addr(), c.To.Addr(), c.Proto)
	}
	return fmt.Sprintf("%s > %s %s", c.From, c.To, c.Proto)
}

// Cuts is what must change about the connections that are cut: those whose packets are dropped in both
// directions, because the program forbids what it once allowed.
type Cuts struct {
	Add, Lift []Connection
	Last      bool // none is cut afterwards
}

// Empty reports whether nothing must change.
func (c Cuts) Empty() bool { return len(c.Add)+len(c.Lift) == 0 && !c.Last }
