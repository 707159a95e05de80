package controller

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
)

// takeWiring has the graph know how pods are attached, and makes bridged packets pass the firewall.
// After an error the wiring that was found last stays in force.
func (c *Controller) takeWiring(ctx context.Context, a answer) error {
	err := a.attachErr
	if err == nil {
		unfiltered := a.wiring.Unfiltered
		c.host.wiring, c.host.wired, c.host.fresh = a.wiring, true, true
		// While the ports are closed, they stay so, though packets pass the firewall again.
		c.host.wiring.Unfiltered = unfiltered || c.host.closed
		c.host.dropReassigned()
		c.host.rememberHidden(c.Health.started())
		c.graph.Apply(graph.LinksSet{Links: c.links()})
		c.graph.Apply(graph.TunnelsSet{Tunnels: a.wiring.Tunnels})
		c.warnRefused(a.wiring)
		c.warnAbsent(a.wiring)
		if unfiltered {
			err = c.filter(ctx)
		} else if c.host.unseen {
			c.host.opens.Reset(unseenPause) // somebody else made them pass
		}
		c.host.unseen = err != nil
	}
	switch {
	case err != nil:
		if c.Health.set("host", err.Error()) {
			c.Log.Error("not all traffic of this node's pods can be filtered", "error", err)
		}
	case c.host.closed:
		c.Health.set("host", "packets between pods passed unseen; "+
			"for a moment isolated ones exchange nothing with their neighbours")
	default:
		c.Health.set("host", "")
	}
	return err
}

// mostRefused is how many ports are named.
const mostRefused = 10

// warnRefused says of which ports it cannot be known which pod is behind them.
func (c *Controller) warnRefused(w ruleset.Wiring) {
	list, count := map[string]string{}, 0
	if w.Incomplete != "" {
		list["unknown"] = w.Incomplete + "; some pods can pass for others of this node meanwhile"
	}
	for _, p := range w.Ports {
		if p.Refused == "" {
			continue
		}
		if count++; count <= mostRefused {
			list[p.Link] = p.Refused
		}
	}
	if more := count - mostRefused; more > 0 {
		list["and more"] = fmt.Sprintf("it is so for %d ports more", more)
	}
	if c.Health.warn("port", list) {
		// A tenant can have the list change as often as it likes.
		c.host.lines.log(func(more int) {
			c.Log.Warn("pods are not bound to their addresses at some ports of bridges",
				"ports", list, "and others", more)
		})
	}
}

// warnAbsent says which family the kernel does not have, though pods have addresses of it in their
// status.
func (c *Controller) warnAbsent(w ruleset.Wiring) {
	list := map[string]string{}
	for _, f := range w.Absent {
		list[f.String()] = fmt.Sprintf("this kernel has no %s, so no packet of it reaches the addresses of "+
			"it that pods have in their status; see its command line (ipv6.disable) and modules", f)
	}
	if c.Health.warn("family", list) {
		c.Log.Warn("pods have addresses of a family that this kernel does not have", "families", w.Absent)
	}
}

// unseenPause is how long ports stay closed after bridged packets passed unseen. What a pod answers
// to one of them would look like the first packet of a connection of its own.
const unseenPause = 500 * time.Millisecond

// filter closes the ports of isolated pods, then makes bridged packets pass the firewall again.
func (c *Controller) filter(ctx context.Context) error {
	// The ports are closed first: from then on no isolated pod can reply to a packet that passed
	// unseen.
	c.separate(ctx, ruleset.Delta{})
	c.host.closed = true
	if err := c.Host.Filter(); err != nil {
		return err
	}
	c.host.opens.Reset(unseenPause)
	c.Log.Warn("packets between the ports of bridges did not pass the firewall; they do now")
	return nil
}

// openPorts opens the ports of isolated pods again. The next answer of the node has the wiring
// without the closed state.
func (c *Controller) openPorts() {
	c.host.closed = false
	c.host.attached = -1
}

// unbindReassigned lets addresses that got another pod come in by any interface, until the node has
// said where that pod is: else its packets would be dropped.
func (c *Controller) unbindReassigned() {
	if c.host.dropReassigned() {
		c.host.fresh = true
		c.graph.Apply(graph.LinksSet{Links: c.links()})
	}
}

// dropReassigned takes addresses that got another pod since the node was asked out of the wiring, and
// reports whether there was any.
func (h *hostState) dropReassigned() (dropped bool) {
	if len(h.reassigned) == 0 {
		return false
	}
	without := func(addrs []netip.Addr) []netip.Addr {
		kept := slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool {
			return h.reassigned[a]
		})
		dropped = dropped || len(kept) < len(addrs)
		return kept
	}
	h.wiring.Links, h.wiring.Ports = slices.Clone(h.wiring.Links), slices.Clone(h.wiring.Ports)
	for i, l := range h.wiring.Links {
		h.wiring.Links[i].Addrs = without(l.Addrs)
	}
	for i, p := range h.wiring.Ports {
		h.wiring.Ports[i].Addrs = without(p.Addrs)
	}
	return dropped
}

// links are those of the host. One that is shared is not treated so before the bridge's own rules
// are in place.
func (c *Controller) links() []ruleset.Link {
	links := slices.Clone(c.host.wiring.Links)
	for i := range links {
		links[i].Shared = links[i].Shared && c.bridge.routed
	}
	return links
}

// rememberHidden keeps since when addresses are hidden. Those that were so before the first ruleset
// have no grace.
func (h *hostState) rememberHidden(started bool) {
	for a := range h.hidden {
		if _, still := h.wiring.Hidden[a]; !still {
			delete(h.hidden, a)
		}
	}
	for a := range h.wiring.Hidden {
		if _, known := h.hidden[a]; known {
			continue
		}
		// The zero time is long ago, so that the grace is over.
		h.hidden[a] = time.Time{}
		if started {
			h.hidden[a] = time.Now()
		}
	}
}

// shownHidden is how many pods are named.
const shownHidden = 5

// checkHidden says which pods are isolated in vain: their packets pass no hook. A pod that is just
// starting has a grace.
func (c *Controller) checkHidden() {
	var all []string
	for a, reason := range c.host.wiring.Hidden {
		// A pod that no policy selects needs no hook.
		if c.graph.IsSubject(a) && time.Since(c.host.hidden[a]) >= c.host.grace {
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s: %s", c.graph.PodAt(a), a,
				reason)))
		}
	}
	slices.Sort(all)
	reason := ""
	if len(all) > 0 {
		reason = "policies select pods whose packets no hook of this node sees: " +
			strings.Join(all[:min(len(all), shownHidden)], "; ")
	}
	if more := len(all) - shownHidden; more > 0 {
		reason += fmt.Sprintf("; and %d more", more)
	}
	if c.Health.set("hidden", reason) && reason != "" {
		c.Log.Error(reason)
		if c.Reporter != nil {
			c.Reporter.Warn(reason)
		}
	}
}
