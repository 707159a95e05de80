package main

import (
	"errors"
	"time"
)

// restart kills the agents of all nodes at random times, also while they start, under a stream of
// changes, and starts them again.
type restart struct{}

func (restart) Name() string { return "restart" }

func (restart) Plan() plan { return plan{} }

func (restart) Inject(s *testbed) error {
	stop := s.churn.keepChanging(10 * time.Millisecond)
	return errors.Join(s.killOften(s.times(100, 10)), stop())
}

// killOften kills all agents some times, at random intervals, and starts them again.
func (s *testbed) killOften(times int) error {
	var errs []error
	kills := 0
	for kills < times && s.ctx.Err() == nil {
		s.sleep(time.Duration(s.random.IntN(600)) * time.Millisecond)
		errs = append(errs, s.killAll())
		kills++
	}
	s.done("%d kills of %d nodes at random times", kills, len(s.agents))
	return errors.Join(append(errs, s.ctx.Err())...)
}

// killAll kills the agents of all nodes and starts them again.
func (s *testbed) killAll() error {
	var errs []error
	for _, a := range s.agents {
		if !a.alive() {
			s.fault("the agent of %s had ended by itself", a.node)
		}
		a.kill()
	}
	for _, a := range s.agents {
		errs = append(errs, a.start())
	}
	return errors.Join(errs...)
}
