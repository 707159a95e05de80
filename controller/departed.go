package controller

import (
	"context"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
)

// recallDeparted takes over, once, whom an earlier process has isolated: a pod that was deleted by
// force is in the kernel's rules only, and so are policies of a namespace that terminates. Before
// all has been read nobody's isolation ends anyway.
func (c *Controller) recallDeparted(ctx context.Context, have ruleset.Observed) {
	if c.host.departed || !c.source.whole || c.Addresses == nil {
		return
	}
	c.host.departed = true
	c.graph.Apply(graph.IsolatedSet{Dispatch: have.Dispatch})
	// Those that are behind no interface are forgotten at once; without an answer all stay.
	c.consultHost(ctx)
}
