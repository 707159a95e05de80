package agent

import (
	"net/netip"

	"github.com/picket-project/picket/ruleset"
)

// ConnectionsPath is the path of Connections.
const ConnectionsPath = "/v1/connections"

// Connections are those that are open through a node, as its forward hook sees them. Both nodes of a
// connection between two have it.
type Connections struct {
	API     int          `json:"api"`
	Version string       `json:"version"`
	Node    string       `json:"node"`
	Kinds   []Connection `json:"kinds"`
	LeftOut int          `json:"leftOut,omitempty"` // for which there was no room
}

// Connection is how many connections there are between two addresses to one port.
type Connection struct {
	From  netip.Addr       `json:"from"`
	To    netip.Addr       `json:"to"`
	Proto ruleset.Protocol `json:"proto"`
	Port  uint16           `json:"port"` // of To; 0 where the protocol has none
	Count int              `json:"count"`
}

// Flow is the first packet of such a connection.
func (c Connection) Flow() ruleset.Flow {
	return ruleset.Flow{From: c.From, To: c.To, Proto: c.Proto, Port: c.Port}
}

// Counter counts connections by kind. Whoever can open many can make many kinds, so there is room for
// so many only, and what there was none for is counted.
type Counter struct {
	Most    int
	counts  map[Connection]int
	leftOut int
}

// Add counts one connection.
func (c *Counter) Add(one ruleset.Connection) {
	kind := Connection{From: one.From.Addr(), To: one.To.Addr(), Proto: one.Proto, Port: one.To.Port()}
	if c.counts == nil {
		c.counts = map[Connection]int{}
	}
	// A kind that has room already is always counted right.
	if _, known := c.counts[kind]; !known && len(c.counts) >= c.Most {
		c.leftOut++
		return
	}
	c.counts[kind]++
}

// Result is what was counted.
func (c *Counter) Result() (kinds []Connection, leftOut int) {
	kinds = make([]Connection, 0, len(c.counts))
	for kind, n := range c.counts {
		kind.Count = n
		kinds = append(kinds, kind)
	}
	return kinds, c.leftOut
}
