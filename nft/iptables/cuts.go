package iptables

import (
	"context"
	"fmt"

	"github.com/picket-project/picket/ruleset"
)

// Cuts lists what is cut, sorted.
func (b *Backend) Cuts(ctx context.Context) (cuts ruleset.Cuts, err error) {
	k, err := b.readKernel(ctx)
	if err != nil {
		return cuts, fmt.Errorf("list cut connections: %w", err)
	}
	c := readCuts(k)
	for f := range c.flows {
		cuts.Flows = append(cuts.Flows, f)
	}
	for client := range c.clients {
		cuts.Clients = append(cuts.Clients, client)
	}
	cuts.Sort()
	return cuts, nil
}

// Cut changes what is cut. After an error nothing is known of it. It makes chains and sets for the
// first cut and removes them after the last one, so that packets are looked up only while anything
// is cut.
func (b *Backend) Cut(ctx context.Context, c ruleset.CutChange) error {
	if c.Empty() {
		return nil
	}
	if b.held.empty() {
		return fmt.Errorf("cut connections: no rules are known to be there")
	}
	if err := b.refresh(ctx); err != nil {
		return fmt.Errorf("cut connections: %w", err)
	}
	b.content.cuts.apply(c)
	if err := b.renew(ctx, "cut connections"); err != nil {
		b.stale, b.uncut = true, true
		return err
	}
	return nil
}

// apply takes a change in.
func (c *cutContent) apply(change ruleset.CutChange) {
	for _, f := range change.Lift.Flows {
		delete(c.flows, f)
	}
	for _, client := range change.Lift.Clients {
		delete(c.clients, client)
	}
	for _, f := range change.Add.Flows {
		c.flows[f] = true
	}
	for _, client := range change.Add.Clients {
		c.clients[client] = true
	}
	c.active = !change.Last && (c.active || len(c.flows)+len(c.clients) > 0)
}
