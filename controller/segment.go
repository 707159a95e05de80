package controller

import (
	"context"

	"github.com/picket-project/picket/ruleset"
)

// Separator keeps pods of one bridge apart on it.
type Separator interface {
	PutSegment(context.Context, ruleset.Segment) error
}

// separate does so after each change that it can depend on. Where it fails the node is ready: it is a second fence.
func (c *Controller) separate(ctx context.Context, d ruleset.Delta) {
	policed := c.graph.HasPolicies()
	c.mixed = c.mixed || d.Frame || len(d.AddDispatch)+len(d.DelDispatch) > 0 || policed != c.policed
	c.policed = policed
	if c.Separator == nil || c.Host == nil || !c.whole || !c.mixed {
		return
	}
	c.mixed = false
	ports, err := c.Host.Ports(c.graph.LocalAddrs())
	if err == nil {
		err = c.Separator.PutSegment(ctx, c.graph.Segment(ports))
	}
	c.remix.after(err)
	problem := map[string]string{}
	if err != nil {
		problem["of pods"] = err.Error() + "; a pod can pass for another one of its node"
	}
	if c.Health.warn("bridge", problem) {
		c.Log.Error("pods of one bridge are not kept apart on it", "error", err)
	}
}
