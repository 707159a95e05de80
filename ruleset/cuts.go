package ruleset

import (
	"cmp"
	"net/netip"
	"slices"
)

// Cuts is what a kernel drops of connections that the program once allowed and forbids now.
//
// Flows are cut in both directions, all connections of a flow alike: what opened them says nothing
// of the client's port, and neither does a policy. Clients have too many of such connections for
// each flow to be listed: conntrack forgets those, and a server can't take one up again by a packet
// from the middle of it.
type Cuts struct {
	Flows   []Flow
	Clients []Client
}

// Client is an address that opened connections of a protocol.
type Client struct {
	Addr  netip.Addr
	Proto Protocol // that has ports
}

// Compare orders by address, then by protocol.
func (c Client) Compare(o Client) int {
	return cmp.Or(c.Addr.Compare(o.Addr), cmp.Compare(c.Proto, o.Proto))
}

// Compare orders by protocol, then by the addresses and the port.
func (f Flow) Compare(o Flow) int {
	return cmp.Or(
		cmp.Compare(f.Proto, o.Proto), f.From.Compare(o.From), f.To.Compare(o.To),
		cmp.Compare(f.Port, o.Port),
	)
}

// Len is the number of flows and clients.
func (c Cuts) Len() int { return len(c.Flows) + len(c.Clients) }

// Sort puts both lists in their order.
func (c Cuts) Sort() {
	slices.SortFunc(c.Flows, Flow.Compare)
	slices.SortFunc(c.Clients, Client.Compare)
}

// CutChange is what must change about the cuts of a kernel.
type CutChange struct {
	Add, Lift Cuts
	Last      bool // there are none afterwards
}

// Empty reports whether nothing must change.
func (c CutChange) Empty() bool { return c.Add.Len()+c.Lift.Len() == 0 && !c.Last }
