package controller

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// maxHandovers is how many addresses the kernel is asked about before a commit. Each costs a pass
// over conntrack there; where more change hands at once, the look after the commit finds what is
// open. An address of this node is asked about only where an earlier pod can have left something.
const maxHandovers = 8

// apply takes an event into the graph and notes the addresses that get another pod by it.
func (c *Controller) apply(e graph.Event) {
	key, isPod := podOf(e)
	if !isPod {
		c.graph.Apply(e)
		return
	}
	was := c.graph.Pod(key)
	chains := c.chainsOf(was)
	c.graph.Apply(e)
	is := c.graph.Pod(key)
	c.rememberPod(was, is, chains)
	c.podChanged(was, is)
	for _, a := range slices.Concat(was.Addrs, is.Addrs) {
		// A pod that has started anew under the same name is another one.
		kept := slices.Contains(was.Addrs, a) && slices.Contains(is.Addrs, a) &&
			was.Started == is.Started
		if kept {
			continue
		}
		if is.Node == c.Node && slices.Contains(is.Addrs, a) {
			c.host.reassigned[a] = true
		}
		c.noteLoss(a, was.Node == c.Node && slices.Contains(was.Addrs, a))
		// Before the first commit every open connection is due for a look anyway.
		if c.review.begun && c.graph.IsPeer(a) {
			c.review.handed[a] = true
		}
	}
}

// podOf returns which pod an event is about, if it is about one.
func podOf(e graph.Event) (policy.Key, bool) {
	switch e := e.(type) {
	case graph.PodSet:
		return e.Pod.Key, true
	case graph.PodGone:
		return e.Key, true
	default:
		return policy.Key{}, false
	}
}

// handOver ends what is open to addresses that have another pod now, where that pod's rules forbid
// it. It comes before these are committed: what the pod before has left must not be taken for the
// new one's.
func (c *Controller) handOver(ctx context.Context, delta ruleset.Delta) {
	if len(c.review.handed) == 0 {
		return
	}
	handed := slices.Collect(maps.Keys(c.review.handed))
	clear(c.review.handed)
	errs := []error{c.forgetClients(ctx, handed)}
	// This is the loop itself, which must not wait for its own answer as a decider does.
	decide := func(list []ruleset.Connection) ([]ruleset.Fate, error) {
		return c.decideOpen(ctx, list)
	}
	for _, a := range c.inherited(handed, ruleset.ScopeOf(delta, c.graph.Subjects)) {
		err := c.Connections.ReviewOf(ctx, a, decide)
		if errs = append(errs, err); err == nil {
			delete(c.review.left.addrs, a)
		}
	}
	if err := errors.Join(errs...); err != nil {
		c.reviewFailed(ctx, err)
	}
}

// inherited returns the addresses, of those that have another pod now, at which an earlier one may
// have left something that is forbidden by now: the first of them, and those of this node before
// others, since the rules of a pod begin there.
func (c *Controller) inherited(handed []netip.Addr, forbidden ruleset.Scope) []netip.Addr {
	var own, others []netip.Addr
	for _, a := range handed {
		switch {
		case !forbidden.Has(a) || !c.mayInherit(a):
		case c.graph.IsLocal(a):
			own = append(own, a)
		default:
			others = append(others, a)
		}
	}
	all := append(own, others...)
	return all[:min(len(all), maxHandovers)]
}

// forgetClients leaves alone whoever has the address of a client that is gone.
func (c *Controller) forgetClients(ctx context.Context, addrs []netip.Addr) error {
	if c.review.cuts.len() == 0 {
		return nil
	}
	var gone ruleset.Cuts
	for _, a := range addrs {
		gone.Clients = append(gone.Clients, c.review.cuts.of(a).Clients...)
	}
	return c.changeCuts(ctx, ruleset.CutChange{Lift: gone})
}
