package controller

import (
	"net/netip"
	"time"

	"github.com/picket-project/picket/ruleset"
)

// leftoverDelay is from a pod's end to the look that ends what it had open: pods that go together
// share it.
const leftoverDelay = time.Second

// leftovers are addresses of which conntrack may know connections of an earlier pod. An address
// that is not among them becomes another pod's without a pass over conntrack; nearly none is, by
// the time when it is used again.
//
// They are kept only where unknown pods are denied, and only of the node's own pod ranges: there,
// an address that no known pod has can open nothing, so all that it has open is an earlier pod's.
type leftovers struct {
	addrs map[netip.Addr]uint64 // and when their pods lost them, as a number that grows
	last  uint64
	due   bool // a look is due for them
}

// add notes that a pod has lost an address.
func (l *leftovers) add(a netip.Addr) {
	l.last++
	l.addrs[a] = l.last
}

// keepsLeftovers reports whether it is known of an address what earlier pods have left there.
func (c *Controller) keepsLeftovers(a netip.Addr) bool {
	return c.DenyUnknown && c.reviews() && c.graph.InOwnRange(a)
}

// mayInherit reports whether an earlier pod may have left something open at an address.
func (c *Controller) mayInherit(a netip.Addr) bool {
	_, left := c.review.left.addrs[a]
	return left || !c.review.looked || !c.keepsLeftovers(a)
}

// noteLoss notes which address has lost a pod, or is about to: another pod claims it, too.
func (c *Controller) noteLoss(a netip.Addr, lost bool) {
	if (lost || c.graph.IsDisputed(a)) && c.keepsLeftovers(a) {
		c.review.left.add(a)
	}
}

// scheduleLeftovers has a look begin for what pods that are gone have left, unless one is due.
func (c *Controller) scheduleLeftovers() {
	// The end of a look that is under way calls this again.
	idle := c.review.begun && !c.review.looking && c.review.scope.Empty()
	if idle && !c.review.left.due && len(c.unused()) > 0 {
		c.review.left.due = true
		c.review.schedule(max(leftoverDelay, 4*c.review.took))
	}
}

// unused returns the addresses of pods that are gone which nobody has by now, and when these lost
// them. Where a pod is gone from the API only, its address is still in use.
func (c *Controller) unused() map[netip.Addr]uint64 {
	list := map[netip.Addr]uint64{}
	for a, when := range c.review.left.addrs {
		if c.graph.IsUnused(a) {
			list[a] = when
		}
	}
	return list
}

// isLeft reports whether a connection is one of a pod that is gone.
func (c *Controller) isLeft(connection ruleset.Connection) bool {
	for _, end := range []netip.Addr{connection.From.Addr(), connection.To.Addr()} {
		if c.keepsLeftovers(end) && c.graph.IsUnused(end) {
			return true
		}
	}
	return false
}

// leftoversEnded takes over what a look has ended. An address that had another pod meanwhile may
// have connections of that one, which the look need not have seen.
func (c *Controller) leftoversEnded(l look) {
	for a, when := range l.left {
		if c.review.left.addrs[a] == when && c.graph.IsUnused(a) {
			delete(c.review.left.addrs, a)
		}
	}
}
