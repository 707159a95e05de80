package main

import (
	"errors"
	"fmt"
	"syscall"
	"time"
)

// backendChange restarts the agents, node by node, with the other backend, and back, while policies
// change. The new rules must be in force before those of the backend before go, and those must go.
type backendChange struct{}

func (backendChange) Name() string { return "backend" }

func (backendChange) Plan() plan { return plan{} }

func (backendChange) Inject(s *testbed) error {
	if _, err := s.objectsOf(s.agents[0].node, iptables); err != nil {
		s.skip("legacy iptables and ipset are not there: %v", err)
		return nil
	}
	changes := s.times(20, 4)
	stop := s.churn.keepChanging(20 * time.Millisecond)
	for i := range changes {
		for _, a := range s.agents {
			signal := []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[i/2%2]
			if err := s.changeBackend(a, signal); err != nil {
				return errors.Join(err, stop())
			}
		}
	}
	s.done("%d changes of the backend of %d nodes", changes, len(s.agents))
	return stop()
}

// otherBackend is what an agent is changed to.
var otherBackend = map[string]string{nftables: iptables, iptables: nftables}

// changeBackend ends an agent and starts it with the other backend. It returns when nothing is left
// of the one before.
func (s *testbed) changeBackend(a *agent, signal syscall.Signal) error {
	before := a.backend
	a.end(signal)
	a.backend = otherBackend[before]
	if err := errors.Join(a.start(), a.awaitReady(patience)); err != nil {
		return err
	}
	took, err := s.await(patience, "the rules of "+before+" are gone", func() error {
		left, err := s.objectsOf(a.node, before)
		if err == nil && len(left) > 0 {
			err = fmt.Errorf("%d objects are left", len(left))
		}
		return err
	})
	s.repairs = append(s.repairs, took)
	return err
}
