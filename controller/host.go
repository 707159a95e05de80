package controller

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
)

// Host is the machine around the firewall.
type Host interface {
	// Prepare says how pods with these addresses are attached. It is asked again and again.
	Prepare(pods []netip.Addr) (ruleset.Wiring, error)
	// Tunnels says where the node unpacks what tunnels carry.
	Tunnels() ([]ruleset.Tunnel, error)
	// Filter makes packets between the ports of bridges pass the firewall; an error says what keeps it from that.
	Filter() error
	// Watch reports, until ctx ends, that what Prepare found may have changed.
	Watch(ctx context.Context, changed func()) error
}

// wiring is what the host said last.
type wiring struct {
	ruleset.Wiring
	fresh  bool                     // what holds on bridges was not compared with it yet
	hidden map[netip.Addr]time.Time // since when each address of Hidden is; zero: from the start
	moved  chan struct{}            // holds one token when it may have changed
	grace  time.Duration            // for which a pod may be hidden while it starts
	opens  *time.Timer              // when ports are opened again
	closed bool                     // ports of isolated pods are, until then
	routed bool                     // the kernel holds what keeps pods of shared bridges from saying what routers say
}

func newWiring() wiring {
	return wiring{hidden: map[netip.Addr]time.Time{}, moved: make(chan struct{}, 1), opens: stopped(), grace: 5 * time.Second}
}

// prepare asks the host after each change that this can depend on, and at the audit.
func (c *Controller) prepare(ctx context.Context) {
	if c.Host == nil || c.hosted == c.graph.LocalEvents() {
		return
	}
	c.hosted = c.graph.LocalEvents()
	found, err := c.Host.Prepare(c.graph.ClaimedAddrs())
	tunnels, tunnelsErr := c.Host.Tunnels()
	err = errors.Join(err, tunnelsErr)
	if err == nil {
		off := found.Unfiltered
		found.Unfiltered = off || c.wiring.closed
		c.wiring.Wiring, c.wiring.fresh = found, true
		c.wiring.remember(c.Health.started())
		c.graph.Apply(graph.LinksSet{Links: c.wiring.links()})
		c.graph.Apply(graph.TunnelsSet{Tunnels: tunnels})
		if off {
			err = c.filter(ctx)
		}
	}
	switch {
	case err != nil:
		if c.Health.set("host", err.Error()) {
			c.Log.Error("not all traffic of this node's pods can be filtered", "error", err)
		}
	case c.wiring.closed:
		c.Health.set("host", "packets between pods passed unseen; for a moment isolated ones exchange nothing with their neighbours")
	default:
		c.Health.set("host", "")
	}
	if err == nil && len(found.Hidden) > 0 {
		err = errHidden
	}
	c.rehost.after(err)
}

// quiet is how long ports stay closed after bridged packets passed unseen. What a pod answers to one of them would look
// like the first packet of a connection of its own.
const quiet = 500 * time.Millisecond

// filter closes the ports of isolated pods, then makes bridged packets pass the firewall again.
func (c *Controller) filter(ctx context.Context) error {
	c.separate(ctx, ruleset.Delta{})
	if err := c.Host.Filter(); err != nil {
		return err
	}
	c.wiring.closed = true
	c.wiring.opens.Reset(quiet)
	c.Log.Warn("packets between the ports of bridges did not pass the firewall; they do now")
	return nil
}

// open opens the ports again.
func (c *Controller) open() {
	c.wiring.closed = false
	c.hosted = -1
}

// links are those of the host. One that is shared is not treated so before the bridge's own rules are in place.
func (w *wiring) links() []ruleset.Link {
	links := slices.Clone(w.Links)
	for i := range links {
		links[i].Shared = links[i].Shared && w.routed
	}
	return links
}

const errHidden = hiddenError("pods are hidden")

// hiddenError lets the host be asked again: the kernel tells nobody of what happens at a pod's end of its link.
type hiddenError string

func (e hiddenError) Error() string { return string(e) }

// remember keeps since when addresses are hidden. Those that were so before the first ruleset have no grace.
func (w *wiring) remember(started bool) {
	for a := range w.hidden {
		if _, still := w.Hidden[a]; !still {
			delete(w.hidden, a)
		}
	}
	for a := range w.Hidden {
		if _, known := w.hidden[a]; known {
			continue
		}
		w.hidden[a] = time.Time{}
		if started {
			w.hidden[a] = time.Now()
		}
	}
}

// shownHidden is how many pods are named.
const shownHidden = 5

// checkHidden says which pods are isolated in vain: their packets pass no hook.
func (c *Controller) checkHidden() {
	var all []string
	for a, reason := range c.wiring.Hidden {
		if c.graph.IsSubject(a) && time.Since(c.wiring.hidden[a]) >= c.wiring.grace {
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s: %s", c.graph.PodAt(a), a, reason)))
		}
	}
	slices.Sort(all)
	reason := ""
	if len(all) > 0 {
		reason = "policies select pods whose packets no hook of this node sees: " + strings.Join(all[:min(len(all), shownHidden)], "; ")
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

// watchHost lets the host be asked again when something changed there. It starts anew after an error, when changes
// may have been missed.
func (c *Controller) watchHost(ctx context.Context) {
	for c.Host != nil && ctx.Err() == nil {
		err := c.Host.Watch(ctx, c.wiring.touch)
		if ctx.Err() != nil {
			return
		}
		c.Log.Error("changes of interfaces and routes are noticed late: by the audit only", "error", err)
		c.wiring.touch()
		sleep(ctx, time.Second)
	}
}

// touch tells the loop.
func (w *wiring) touch() {
	select {
	case w.moved <- struct{}{}:
	default:
	}
}
