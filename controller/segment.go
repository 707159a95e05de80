package controller

import (
	"context"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Separator keeps pods of one bridge apart on it.
type Separator interface {
	PutSegment(context.Context, ruleset.Segment) error
}

// separate does so after each change that it can depend on. Where it fails the node is ready: it is a second fence.
func (c *Controller) separate(ctx context.Context, d ruleset.Delta) {
	c.mixed = c.mixed || d.Frame
	if c.Separator == nil || c.Host == nil || !c.whole || !c.mixed && !c.wiring.fresh && !c.remarked(d) {
		return
	}
	c.wiring.fresh = false
	segment := c.graph.Segment(c.wiring.Wiring)
	if !c.mixed && segment.Equal(c.segment) {
		return
	}
	err := c.Separator.PutSegment(ctx, segment)
	c.mixed, c.segment = false, segment
	c.remix.after(err)
	if routed := err == nil && len(segment.Routers) > 0; routed != c.wiring.routed {
		c.wiring.routed = routed
		c.wiring.touch()
	}
	problem := map[string]string{}
	if err != nil {
		problem["of pods"] = err.Error() + "; a pod can pass for another one of its node"
	}
	if c.Health.warn("bridge", problem) {
		c.Log.Error("pods of one bridge are not kept apart on it", "error", err)
	}
}

// remarked reports whether what must hold at any port can have changed.
func (c *Controller) remarked(d ruleset.Delta) bool {
	policed := c.graph.HasPolicies()
	toggled := policed != c.policed
	c.policed = policed
	if !toggled && len(d.AddDispatch)+len(d.DelDispatch)+len(d.PutChains) == 0 {
		return false
	}
	return !slices.EqualFunc(c.graph.MarkPorts(c.wiring.Wiring), c.segment.Ports, ruleset.Port.Equal)
}
