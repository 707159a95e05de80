package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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

// OnlyNftables says what the row is about.
func (foreignCommits) OnlyNftables() string { return "a generation that others move on" }

func (r foreignCommits) Inject(s *testbed) error {
	if err := s.stateRanges(); err != nil {
		return err
	}
	g, err := s.startLatencyProbe()
	if err != nil {
		return err
	}
	alone, beside := &restarts{probe: g}, &restarts{probe: g}
	if err := alone.many(s.times(3, 1)); err != nil {
		return err
	}
	s.note("while nobody else committed, %s", alone)
	c, err := s.commitEverywhere()
	if err != nil {
		return err
	}
	kills := s.times(12, 2)
	if err := errors.Join(beside.many(kills), c.stop(), g.close()); err != nil {
		return err
	}
	s.done("%d kills of %d nodes, %d changes each way", kills, len(s.agents), len(beside.took))
	s.note("while others committed, %s", beside)
	beside.compare(alone)
	return nil
}

// stateRanges makes the tables of all nodes so large that an agent which starts does not read them
// between two commits of others.
func (s *testbed) stateRanges() error {
	var errs []error
	for n := range 2 {
		var blocks strings.Builder
		for i := range 8000 {
			fmt.Fprintf(&blocks, "{ipBlock: {cidr: 100.%d.%d.%d/32}}, ", 64+n, i/200, 1+i%200)
		}
		errs = append(errs, s.folder.put(fmt.Sprintf("ranges-%d.yaml", n), fmt.Sprintf(`
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {namespace: crowd, name: ranges-%d}
spec: {podSelector: {}, ingress: [{from: [%s]}]}
`, n, &blocks)))
	}
	return errors.Join(errs...)
}

// restarts are of all agents, with changes of policies after each.
type restarts struct {
	probe  *latencyProbe
	starts []time.Duration // until all agents were ready, without what the machine held them up
	took   []policyLatency
}

// many kills all agents some times, and isolates and opens a pod some times after each start.
func (r *restarts) many(kills int) error {
	s := r.probe.testbed
	for range kills {
		began := time.Now()
		errs := []error{s.killAll()}
		spans := s.spans()
		for _, a := range s.agents {
			errs = append(errs, a.awaitReady(patience))
		}
		r.starts = append(r.starts, max(0, time.Since(began)-longestHeld(spans)))
		took, err := r.probe.measureTimes(s.times(5, 3))
		if err := errors.Join(append(errs, err)...); err != nil {
			return err
		}
		r.took = append(r.took, took...)
	}
	return nil
}

// opened are the times until policies that were taken back did not count any more.
func (r *restarts) opened() (all []time.Duration) {
	for _, one := range r.took {
		all = append(all, one.opened)
	}
	return all
}

func (r *restarts) String() string {
	return fmt.Sprintf(
		"agents were ready after %s, policies counted after %s, and no more after %s",
		spread(r.starts), spread(tookOf(r.took)), spread(r.opened()))
}

// usually is what the median of changes may take at most, however often others commit.
const usually = time.Second

// startsLater is how much later a start may succeed because of others: it reads the whole table
// again where somebody commits meanwhile.
const startsLater = 5 * time.Second

// compare compares with what was measured while nobody else committed.
func (r *restarts) compare(alone *restarts) {
	s := r.probe.testbed
	for _, one := range r.took {
		if one.own() > policyWithin {
			s.fault("a change counted after %v, of which the agent waited %v for a processor",
				millis(one.took), millis(one.held))
		}
	}
	for _, all := range [][]time.Duration{tookOf(r.took), r.opened()} {
		if half := middle(all); half >= usually {
			s.fault("half of the changes took %v or longer", millis(half))
		}
	}
	if half, before := middle(r.starts), middle(alone.starts); half > 2*before+startsLater {
		s.fault("half of the starts took %v or longer; %v while nobody else committed",
			millis(half), millis(before))
	}
}

func middle(all []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}
