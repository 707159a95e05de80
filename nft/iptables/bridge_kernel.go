package iptables

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/picket-project/picket/nft/iptables/ebtables"
	"github.com/picket-project/picket/ruleset"
)

// PutSegment has frames on bridges, and packets that are forwarded between and from their ports,
// show their own pods' addresses only. What ebtables holds depends on nothing in other tables; it is
// replaced first, since that takes no time and can close ports.
func (b *Backend) PutSegment(ctx context.Context, s ruleset.Segment) error {
	if at := b.content.fence; !b.fenced || at.kept != nil || !at.segment.Equal(s) {
		b.intact.Store(nil) // what it says of ebtables depends on the segment
	}
	b.content.fence, b.fenced = fence{segment: s}, true
	err := b.putBridges(s)
	if err != nil {
		err = fmt.Errorf("filter on bridges: %w", err)
	}
	if b.held.empty() {
		return err // there are no rules yet that it could stand among, or none was looked for
	}
	return errors.Join(err, b.renew(ctx, "filter on bridges"))
}

// putBridges has ebtables hold what a segment needs. Where there is none, that is no error: Features
// says so.
func (b *Backend) putBridges(s ruleset.Segment) error {
	same := true
	err := b.onBridges(func(kernel *ebtables.Conn) error {
		for _, l := range bridgeLayouts(s) {
			changed, err := kernel.Put(l, isOurs)
			if same = same && !changed; err != nil {
				return err
			}
		}
		return nil
	})
	missing := errors.Is(err, ebtables.ErrMissing)
	if err = unlessMissing(err); err != nil || !same || missing != b.noBridges {
		b.intact.Store(nil)
	}
	b.noBridges = missing
	return err
}

// onBridges connects with ebtables in the backend's namespace.
func (b *Backend) onBridges(do func(*ebtables.Conn) error) error {
	var kernel *ebtables.Conn
	err := inside(b.options.NetNS, func() (err error) {
		kernel, err = ebtables.Dial()
		return err
	})
	if err != nil {
		return err
	}
	defer kernel.Close()
	return do(kernel)
}

// unlessMissing takes it for no error that a kernel has no ebtables.
func unlessMissing(err error) error {
	if errors.Is(err, ebtables.ErrMissing) {
		return nil
	}
	return err
}

// bridgeCondition compares what ebtables holds with what the segment needs that was put last. The
// sketch is empty where nothing is known to be needed.
func (b *Backend) bridgeCondition() (sketch string, same bool, err error) {
	at := b.content.fence
	if b.noBridges || !b.fenced || at.kept != nil || at.segment.Empty() {
		return "", true, nil
	}
	same = true
	err = b.onBridges(func(kernel *ebtables.Conn) error {
		for _, l := range bridgeLayouts(at.segment) {
			t, err := kernel.Read(l.Table)
			if err != nil {
				return err
			}
			sketch += t.Sketch(isOurs)
			same = same && t.Has(l, isOurs)
		}
		return nil
	})
	return sketch, same, unlessMissing(err)
}

// bridgeTables are those of ebtables in which there can be anything of ours.
var bridgeTables = [...]string{"nat", "filter"}

// sketchBridges reads what of ours ebtables holds.
func (b *Backend) sketchBridges() (string, error) {
	var all strings.Builder
	err := b.onBridges(func(kernel *ebtables.Conn) error {
		for _, name := range bridgeTables {
			t, err := kernel.Read(name)
			if err != nil {
				return err
			}
			all.WriteString(t.Sketch(isOurs))
		}
		return nil
	})
	return all.String(), unlessMissing(err)
}

// cleanupBridges removes all of ours from ebtables.
func (b *Backend) cleanupBridges() (removed bool, err error) {
	err = b.onBridges(func(kernel *ebtables.Conn) error {
		for _, name := range bridgeTables {
			if !ebtables.Loaded(name) {
				continue
			}
			changed, err := kernel.Put(ebtables.Layout{Table: name}, isOurs)
			if err != nil {
				return err
			}
			removed = removed || changed
		}
		return nil
	})
	return removed, unlessMissing(err)
}

// tryBridges finds out whether ebtables has all that rules need: by a chain that no frame meets.
// What was there once stays. A backend that only looks knows what the one beside it has found.
func (b *Backend) tryBridges() error {
	if b.bridges.Load() {
		return nil
	}
	if b.looks {
		return ebtables.ErrMissing
	}
	isTrial := func(chain string) bool { return chain == trialChain }
	err := b.onBridges(func(kernel *ebtables.Conn) error {
		for _, name := range bridgeTables {
			with := ebtables.Layout{Table: name,
				Chains: []ebtables.Chain{{Name: trialChain, Rules: bridgeTrial()}}}
			_, err := kernel.Put(with, isTrial)
			if _, gone := kernel.Put(ebtables.Layout{Table: name}, isTrial); err == nil {
				err = gone
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	b.bridges.Store(err == nil)
	return err
}

// bridgeTrial has rules with all matches that rules on bridges have.
func bridgeTrial() []ebtables.Rule {
	rules := []ebtables.Rule{
		ebtables.NewRule(ebtables.Return, ebtables.Protocol(ebtables.TaggedFrame),
			ebtables.VLAN(0)),
		ebtables.NewRule(ebtables.Return, ebtables.Protocol(ebtables.ARP),
			ebtables.ARPSender(single(onlyLast(ruleset.IPv4, 1)))),
	}
	for _, f := range ruleset.Families {
		rules = append(rules, ebtables.NewRule(ebtables.Return, ebtables.Protocol(etherTypes[f]),
			ebtables.Destination(single(onlyLast(f, 1)))))
	}
	return rules
}
