package controller

import (
	"context"

	"github.com/picket-project/picket/ruleset"
)

// FlowtableLister is a kernel that can be told to send packets of open connections past the
// firewall.
type FlowtableLister interface {
	// Flowtables names what has been told so.
	Flowtables(context.Context) ([]string, error)
}

const (
	flowtableText = "packets of the connections in it pass by the rules; one that is no longer " +
		"allowed is taken out of it, and may then have to be opened anew when it is allowed " +
		"again; expected none on a node with pods"
	unlistedText = "; it is assumed that connections may pass by the rules"
)

// checkFlowtables is for the start and the recheck. Where there are flowtables, or nobody knows,
// what is cut has to leave conntrack, because a flowtable holds what conntrack does.
func (c *Controller) checkFlowtables(ctx context.Context) {
	if c.Flowtables == nil {
		return
	}
	names, err := c.Flowtables.Flowtables(ctx)
	if ctx.Err() != nil {
		return
	}
	list := map[string]string{}
	for _, name := range names {
		list[name] = flowtableText
	}
	if err != nil {
		// An error is treated as if there were flowtables.
		list["unknown"] = err.Error() + unlistedText
	} else {
		c.Health.metrics.flowtables.Set(float64(len(names)))
	}
	if c.Health.warn("flowtable", list) {
		c.Log.Warn("open connections can pass by the rules", "flowtables", names, "error", err)
	}
	if bypassed := len(list) > 0; bypassed != c.kernel.bypassed {
		c.kernel.bypassed = bypassed
		c.reviewAll()
	}
}

// reviewAll has every open connection looked at again.
func (c *Controller) reviewAll() {
	if c.reviews() && c.review.begun {
		c.review.scope = ruleset.Everything()
		c.review.schedule(reviewDelay)
	}
}

// endCut has what is cut leave conntrack, and so flowtables, where there are any. Its packets are
// dropped by then: none of them can make an entry.
func (c *Controller) endCut(all []ruleset.Fate) {
	for i, f := range all {
		if c.kernel.bypassed && f == ruleset.Cut {
			all[i] = ruleset.Ended
		}
	}
}
