package controller

import (
	"net/netip"
	"time"

	"github.com/picket-project/picket/ruleset"
)

const (
	// leftoverDelay is from a pod's end to the look that ends what it had open: pods that go
	// together share it.
	leftoverDelay = time.Second
	// maxStrangers is how many addresses without a pod are kept of what the first look found.
	maxStrangers = 4096
)

// leftovers are addresses of this node that pods have had, of which conntrack may still know
// connections. An address that is not among them can become another pod's without a pass over
// conntrack; nearly none is, by the time when it is used again.
type leftovers struct {
	gone      map[netip.Addr]bool // their pods are gone: the next look ends what these had open
	strangers map[netip.Addr]bool // no pod had them when the first look found connections of theirs
	unsure    bool                // any other address may have connections, too
	due       bool                // a look is due for them
}

// newLeftovers returns those of a process that has not looked at conntrack yet.
func newLeftovers() leftovers {
	return leftovers{gone: map[netip.Addr]bool{}, strangers: map[netip.Addr]bool{}, unsure: true}
}

// mayHave reports whether another pod than the one that has the address now may have left
// connections open.
func (l *leftovers) mayHave(a netip.Addr) bool { return l.unsure || l.gone[a] || l.strangers[a] }

// ended takes note that an address has no connections of an earlier pod.
func (l *leftovers) ended(a netip.Addr) {
	delete(l.gone, a)
	delete(l.strangers, a)
}

// scheduleLeftovers has a look begin for what pods that are gone have left, unless one is due.
func (c *Controller) scheduleLeftovers() {
	// The end of a look that is under way calls this again.
	idle := c.review.begun && !c.review.looking && c.review.scope.Empty()
	if idle && !c.review.left.due && len(c.unused()) > 0 {
		c.review.left.due = true
		c.review.schedule(leftoverDelay)
	}
}

// unused returns the addresses of pods that are gone which nobody has by now. Where a pod is gone
// from the API only, its address is still in use.
func (c *Controller) unused() map[netip.Addr]bool {
	list := map[netip.Addr]bool{}
	for a := range c.review.left.gone {
		if c.graph.IsUnused(a) {
			list[a] = true
		}
	}
	return list
}

// isLeft reports whether a connection is one of a pod that is gone.
func (c *Controller) isLeft(connection ruleset.Connection) bool {
	for _, end := range []netip.Addr{connection.From.Addr(), connection.To.Addr()} {
		if c.review.left.gone[end] && c.graph.IsUnused(end) {
			return true
		}
	}
	return false
}

// noteStrangers notes the ends that can be a pod's of this node and are nobody's. They are of pods
// that went before this process began, or of some that are just starting, so nothing is ended.
func (c *Controller) noteStrangers(list []ruleset.Connection) {
	l := &c.review.left
	for _, connection := range list {
		for _, end := range []netip.Addr{connection.From.Addr(), connection.To.Addr()} {
			if len(l.strangers) < maxStrangers && c.graph.IsUnused(end) {
				l.strangers[end] = true
			}
		}
	}
}

// leftoversEnded takes over what a look has ended. Only the first look sees all connections.
func (c *Controller) leftoversEnded(l look) {
	for a := range l.left {
		// Whoever has got it meanwhile, of that pod connections may have been seen.
		if c.graph.IsUnused(a) {
			c.review.left.ended(a)
		}
	}
	if l.first {
		c.review.left.unsure = len(c.review.left.strangers) == maxStrangers
	}
}
