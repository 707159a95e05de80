package controller

import (
	"context"
	"errors"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Separator keeps pods of one bridge apart on it.
type Separator interface {
	// PutSegment returns errors.ErrUnsupported where the kernel never will.
	PutSegment(context.Context, ruleset.Segment) error
	// KeepsRouters reports whether a segment alone keeps pods from saying what routers say, on a
	// bridge that they share with a router.
	KeepsRouters() bool
}

// bridgeState is what the loop knows of the rules on bridges.
type bridgeState struct {
	segment ruleset.Segment // what was put there last
	unknown bool            // it may not hold any more
	retry   retryTimer
	policed bool // there was a policy when it was last looked at
	nodes   int  // how often nodes had changed by then
	routed  bool // it keeps pods of shared bridges from saying what routers say
}

// newBridgeState returns the state before anything was put on bridges: what an earlier process has
// put there can be for policies that are gone.
func newBridgeState() bridgeState { return bridgeState{retry: newRetryTimer(), unknown: true} }

// separate does so after each change that it can depend on: of policies, nodes, and what the host
// says. Where it fails the node is ready: it is a second fence.
func (c *Controller) separate(ctx context.Context, d ruleset.Delta) {
	c.bridge.unknown = c.bridge.unknown || d.Frame
	if c.Separator == nil || c.Host == nil || !c.source.whole || !c.host.wired {
		return
	}
	if changed := c.remarked(d); !changed && !c.bridge.unknown && !c.host.fresh {
		return
	}
	c.host.fresh = false
	segment := c.graph.Segment(c.host.wiring)
	if !c.bridge.unknown && segment.Equal(c.bridge.segment) {
		return
	}
	err := c.Separator.PutSegment(ctx, segment)
	// After an error the retry timer makes it unknown again.
	c.bridge.unknown, c.bridge.segment = false, segment
	c.bridge.retry.after(unlessUnsupported(err))
	// Whether links are treated as shared depends on it, so the wiring is asked for again.
	routed := err == nil && len(segment.Routers) > 0 && c.Separator.KeepsRouters()
	if routed != c.bridge.routed {
		c.bridge.routed = routed
		c.host.attached = -1
	}
	problem := map[string]string{}
	if err != nil {
		problem["of pods"] = err.Error() + "; a pod can pass for another one of its node"
	}
	if c.Health.warn("bridge", problem) {
		c.Log.Error("pods of one bridge are not kept apart on it", "error", err)
	}
}

// unlessUnsupported returns an error that can pass.
func unlessUnsupported(err error) error {
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// remarked reports whether what must hold at any port can have changed.
func (c *Controller) remarked(d ruleset.Delta) bool {
	policed, nodes := c.graph.HasPolicies(), c.graph.NodeChanges()
	toggled, moved := policed != c.bridge.policed, nodes != c.bridge.nodes
	c.bridge.policed, c.bridge.nodes = policed, nodes
	// Nobody may pretend to be a node, or to have an address of its pods.
	if moved {
		return true
	}
	// To compare all ports costs more than to see that nothing they depend on has changed.
	if !toggled && len(d.AddDispatch)+len(d.DelDispatch)+len(d.PutChains) == 0 {
		return false
	}
	return !slices.EqualFunc(c.graph.MarkPorts(c.host.wiring), c.bridge.segment.Ports,
		ruleset.Port.Equal)
}
