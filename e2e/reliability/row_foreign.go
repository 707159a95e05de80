package main

import (
	"errors"
	"slices"
	"time"
)

// foreignCommits has somebody else commit to nftables all the time, on every node, while agents are
// killed and policies narrow and widen. Each commit makes a new generation of the kernel's ruleset.
type foreignCommits struct{ free bool }

func (r foreignCommits) Name() string {
	if r.free {
		return "foreign-commits-free"
	}
	return "foreign-commits"
}

func (r foreignCommits) Plan() plan { return plan{free: r.free} }

// foreignPause is between two commits on a node: 50 a second.
const foreignPause = 20 * time.Millisecond

func (r foreignCommits) Inject(s *scene) error {
	g, err := s.openGate()
	if err != nil {
		return err
	}
	usual, err := g.shutOften(s.times(10, 2))
	if err != nil {
		return err
	}
	s.note("while nobody else committed, changes counted after %s", spread(tooks(usual)))
	f, err := s.commitEverywhere()
	if err != nil {
		return err
	}
	took, err := g.shutBetweenKills(s.times(12, 2))
	if err := errors.Join(err, f.stop(), g.close()); err != nil {
		return err
	}
	s.judgeForeign(took)
	return nil
}

// shutBetweenKills kills all agents, waits until they are ready again and isolates the pod some
// times, again and again.
func (g *gate) shutBetweenKills(kills int) (took []shutting, err error) {
	for range kills {
		began := time.Now()
		errs := []error{g.scene.killAll()}
		for _, a := range g.scene.agents {
			errs = append(errs, a.awaitReady(patience))
		}
		g.scene.repairs = append(g.scene.repairs, time.Since(began))
		some, err := g.shutOften(g.scene.times(5, 3))
		if err := errors.Join(append(errs, err)...); err != nil {
			return took, err
		}
		took = append(took, some...)
	}
	g.scene.done("%d kills of %d nodes, %d changes each way", kills, len(g.scene.agents), len(took))
	return took, nil
}

// usually is what the median of changes may take at most, however often others commit.
const usually = time.Second

// judgeForeign says after what time changes have counted, those that isolate and those that open.
func (s *scene) judgeForeign(took []shutting) {
	s.judgeShut(took)
	var opened []time.Duration
	for _, one := range took {
		opened = append(opened, one.opened)
	}
	s.note("and in the other direction after %s", spread(opened))
	for _, all := range [][]time.Duration{tooks(took), opened} {
		slices.Sort(all)
		if median := all[len(all)/2]; median >= usually {
			s.fault("half of the changes took %v or longer", millis(median))
		}
	}
}
