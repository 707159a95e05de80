package controller

import (
	"errors"
	"net/netip"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
)

// Host is the machine around the firewall.
type Host interface {
	// Prepare makes traffic between pods with these addresses meet the firewall, and names the interfaces
	// that they sit behind. It is asked again and again; an error says what keeps it from being done.
	Prepare(pods []netip.Addr) (links []ruleset.Link, err error)
	// Tunnels says where the node unpacks what tunnels carry.
	Tunnels() ([]ruleset.Tunnel, error)
	// Ports finds the interfaces on bridges that pods with these addresses sit behind.
	Ports(pods []netip.Addr) ([]ruleset.Port, error)
}

// prepare does so after each change that it can depend on, and at the audit.
func (c *Controller) prepare() {
	if c.Host == nil || c.hosted == c.graph.LocalEvents() {
		return
	}
	c.hosted = c.graph.LocalEvents()
	c.mixed = true
	links, err := c.Host.Prepare(c.graph.LocalAddrs())
	tunnels, tunnelsErr := c.Host.Tunnels()
	err = errors.Join(err, tunnelsErr)
	c.rehost.after(err)
	if err == nil {
		c.graph.Apply(graph.LinksSet{Links: links})
		c.graph.Apply(graph.TunnelsSet{Tunnels: tunnels})
		c.Health.set("host", "")
		return
	}
	if c.Health.set("host", err.Error()) {
		c.Log.Error("not all traffic of this node's pods can be filtered", "error", err)
	}
}
