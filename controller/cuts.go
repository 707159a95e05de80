package controller

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/picket-project/picket/ruleset"
)

// Bounds of what is cut by flows. What is beyond them leaves conntrack, and the client is listed.
// The part of one client is small, so that it cannot take the room of all others.
const (
	maxCutsOfClient = 1024
	maxCuts         = 16 << 10
	maxCutClients   = 4096
)

// How long a cut outlives its last entry in conntrack.
//
// A TCP client can make conntrack believe that a connection is over, by a reset that the server
// never gets, and the server can then still send. For other protocols an entry goes only when
// neither end has sent anything for long, since what is cut reaches conntrack, too: what comes
// afterwards begins a flow.
const (
	keepTCP   = 24 * time.Hour
	keepOther = 2 * refreshCuts
)

// cuts is what the kernel drops of connections, as far as this process knows.
type cuts struct {
	flows   map[ruleset.Flow]time.Time // and when conntrack last had a connection of it
	ends    map[netip.Addr]map[ruleset.Flow]bool
	opened  map[netip.Addr]int           // by the address that opened them
	clients map[ruleset.Client]time.Time // that have too many, and since when
}

// newCuts returns cuts that the kernel was found to have, as if conntrack had shown all of them
// now.
func newCuts(held ruleset.Cuts, now time.Time) *cuts {
	c := &cuts{
		flows: map[ruleset.Flow]time.Time{}, ends: map[netip.Addr]map[ruleset.Flow]bool{},
		opened: map[netip.Addr]int{}, clients: map[ruleset.Client]time.Time{},
	}
	c.add(held, now)
	return c
}

// add takes in what is cut from now on, also under each of its ends.
func (c *cuts) add(added ruleset.Cuts, now time.Time) {
	for _, f := range added.Flows {
		if _, known := c.flows[f]; !known {
			c.opened[f.From]++
		}
		c.flows[f] = now
		for _, end := range []netip.Addr{f.From, f.To} {
			if c.ends[end] == nil {
				c.ends[end] = map[ruleset.Flow]bool{}
			}
			c.ends[end][f] = true
		}
	}
	for _, client := range added.Clients {
		c.clients[client] = now
	}
}

// lift takes out what is not cut any more. Addresses without a flow are dropped, so that the maps
// do not grow for ever.
func (c *cuts) lift(lifted ruleset.Cuts) {
	for _, f := range lifted.Flows {
		delete(c.flows, f)
		for _, end := range []netip.Addr{f.From, f.To} {
			if delete(c.ends[end], f); len(c.ends[end]) == 0 {
				delete(c.ends, end)
			}
		}
		if c.opened[f.From]--; c.opened[f.From] == 0 {
			delete(c.opened, f.From)
		}
	}
	for _, client := range lifted.Clients {
		delete(c.clients, client)
	}
}

// len is 0, too, where nothing is known.
func (c *cuts) len() int {
	if c == nil {
		return 0
	}
	return len(c.flows) + len(c.clients)
}

// is reports whether just these are cut.
func (c *cuts) is(held ruleset.Cuts) bool {
	for _, f := range held.Flows {
		if _, known := c.flows[f]; !known {
			return false
		}
	}
	for _, client := range held.Clients {
		if _, known := c.clients[client]; !known {
			return false
		}
	}
	return held.Len() == c.len()
}

// flowsIn returns the flows of a scope. If the scope does not list its addresses, all ends are
// compared with it.
func (c *cuts) flowsIn(s ruleset.Scope) []ruleset.Flow {
	found := map[ruleset.Flow]bool{}
	ends, listed := s.Addrs()
	if !listed {
		ends = slices.DeleteFunc(slices.Collect(maps.Keys(c.ends)), func(a netip.Addr) bool {
			return !s.Has(a)
		})
	}
	for _, end := range ends {
		maps.Copy(found, c.ends[end])
	}
	return slices.Collect(maps.Keys(found))
}

// of returns what there is of a client.
func (c *cuts) of(client netip.Addr) (its ruleset.Cuts) {
	for _, p := range ruleset.Protocols {
		listed := ruleset.Client{Addr: client, Proto: p}
		if _, is := c.clients[listed]; is {
			its.Clients = append(its.Clients, listed)
		}
	}
	return its
}

// stale returns what can be forgotten. Of a flow the time counts from its last entry in conntrack,
// of a client from when it was listed.
func (c *cuts) stale(now time.Time) (gone ruleset.Cuts) {
	for f, seen := range c.flows {
		if now.Sub(seen) > keptFor(f.Proto) {
			gone.Flows = append(gone.Flows, f)
		}
	}
	for client, since := range c.clients {
		if now.Sub(since) > keepTCP {
			gone.Clients = append(gone.Clients, client)
		}
	}
	return gone
}

// keptFor says how long a cut outlives its last entry in conntrack.
func keptFor(p ruleset.Protocol) time.Duration {
	if p == ruleset.TCP {
		return keepTCP
	}
	return keepOther
}
