package controller

import (
	"context"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
)

// close has the kernel deny what may be pods of this node while nobody has said yet which there
// are: after a reboot there are no rules, and the API server may be away for long. Whatever the
// kernel denies already, it goes on denying.
func (c *Controller) close(ctx context.Context) {
	if !c.DenyUnknown || !c.kernel.unclosed || time.Now().Before(c.kernel.resume) {
		return
	}
	// The host can know the ranges of its pods while the API server is away.
	c.consultHost(ctx)
	delta, err := c.closing(ctx)
	if err == nil {
		err = c.Firewall.Apply(ctx, delta)
	}
	if err != nil {
		c.failed(ctx, err)
		return
	}
	c.kernel.unclosed, c.kernel.backoff = false, 0
	c.guard(ctx)
	c.checkRange()
	if !delta.Empty() {
		c.Log.Info("pods are denied until it is known which there are", "ranges", c.graph.Ranges())
	}
}

// closing says what must change for that.
func (c *Controller) closing(ctx context.Context) (ruleset.Delta, error) {
	have, err := c.Firewall.Observe(ctx)
	if err != nil {
		return ruleset.Delta{}, err
	}
	// Whole rules that let unknown pods through are of an agent that was told to. They stay until
	// it is known which pods there are: without that, all of them would be denied.
	if have.Condition == ruleset.Intact && !have.Strict {
		return ruleset.Delta{}, nil
	}
	// The kernel may be the only one that knows the ranges after a restart.
	c.recall(have)
	// A graph that knows only the ranges wants just this: that nothing in them passes.
	empty := graph.New(c.Node, c.Denial)
	empty.DenyUnknown()
	empty.Apply(graph.HostSet{Ranges: c.graph.Ranges()})
	want := empty.Program()
	delta := ruleset.Diff(have, want)
	return delta.Isolating(want).KeepingUnknown(), nil
}

// recall takes over the ranges that an earlier process has denied unknown pods of, once.
func (c *Controller) recall(have ruleset.Observed) {
	if c.host.recalled || !c.DenyUnknown {
		return
	}
	c.host.recalled = true
	for _, f := range ruleset.Families {
		for _, m := range have.Sets[ruleset.LocalRange(f)] {
			if p, ok := (ruleset.Range{First: m.Addr, Last: m.Last}).Prefix(); ok {
				c.host.left = append(c.host.left, p)
			}
		}
	}
	c.tellHost()
}
