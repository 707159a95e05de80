package main

import (
	"errors"
	"time"
)

// twoAgents runs a second agent on a node. It must wait, say why, and take over when the first is
// gone.
type twoAgents struct{ free bool }

func (r twoAgents) Name() string {
	if r.free {
		return "two-agents-free"
	}
	return "two-agents"
}

func (r twoAgents) Plan() plan { return plan{free: r.free} }

// OnlyNftables: without an owner both rows are the same.
func (r twoAgents) OnlyNftables() string {
	if r.free {
		return ""
	}
	return "an owner of the table"
}

func (r twoAgents) Inject(s *testbed) error {
	first := s.agents[0]
	if owned, err := s.owned(first.node); !r.free && (err != nil || !owned) {
		s.skip("the table has no owner on this kernel; Linux 6.9 is needed")
		return err
	}
	second, err := s.newAgent(first.node)
	if err != nil {
		return err
	}
	defer second.close()
	second.health = secondHealth
	stop := s.churn.keepChanging(20 * time.Millisecond)
	takeovers := s.times(6, 2)
	for range takeovers / 2 {
		if err := errors.Join(s.takeover(first, second), s.takeover(second, first)); err != nil {
			return errors.Join(err, stop())
		}
	}
	s.done("%d takeovers", takeovers)
	return stop()
}

// takeover starts an agent beside the one that works, which then dies.
func (s *testbed) takeover(works, waits *agent) error {
	if err := waits.start(); err != nil {
		return err
	}
	_, err := s.await(patience, "the second agent knows what there is to do", func() error {
		r, err := waits.client().Readiness()
		if err == nil && r.Reasons["sync"] != "" {
			err = errors.New(r.Reasons["sync"])
		}
		return err
	})
	if err != nil {
		return err
	}
	s.lookAtBoth(works, waits)
	works.kill()
	took, err := s.await(patience, "the second agent takes over",
		func() error { return waits.client().Ready() })
	s.repairs = append(s.repairs, took)
	return err
}

// lookAtBoth looks for a while whether only one of two agents works, and the other says why it does
// not.
func (s *testbed) lookAtBoth(works, waits *agent) {
	reason := ""
	for range 10 {
		s.sleep(50 * time.Millisecond)
		if err := works.client().Ready(); err != nil {
			s.fault("the first agent beside a second: %v", err)
		}
		r, err := waits.client().Readiness()
		if err != nil || r.Ready {
			s.fault("the second agent beside the first: ready %t, %v", r.Ready, err)
		}
		reason = r.Reasons["kernel"]
	}
	if reason == "" {
		s.fault("the second agent does not say why it waits")
	}
	s.note("the second agent: %s", reason)
}
