package main

import (
	"fmt"
	"regexp"
	"syscall"
)

// upgrade replaces the agents, node by node, by another version, whose rules have another layout,
// and back. The old agent is ended as a rolling update does it, and every other time as a crash
// does.
type upgrade struct{}

func (upgrade) Name() string { return "upgrade" }

func (upgrade) Plan() plan { return plan{} }

func (upgrade) Inject(s *testbed) error {
	programs := []string{s.env.next, s.env.picket}
	swaps := 2 * s.times(5, 2)
	for i := range swaps {
		for _, a := range s.agents {
			if err := s.swap(a, programs[i%2],
				[]syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[i/2%2]); err != nil {
				return err
			}
		}
	}
	s.done("%d upgrades and %[1]d rollbacks of %d nodes", swaps/2, len(s.agents))
	return nil
}

// swap replaces an agent by another program, which must replace the table.
func (s *testbed) swap(a *agent, program string, signal syscall.Signal) error {
	before, err := s.layout(a.node)
	if err != nil {
		return err
	}
	a.end(signal)
	a.program = program
	if err := a.start(); err != nil {
		return err
	}
	if err := a.awaitReady(patience); err != nil {
		return err
	}
	after, err := s.layout(a.node)
	if err == nil && after == before {
		err = fmt.Errorf("%s: the rules still have the layout %s", a.node, before)
	}
	return err
}

// layoutMark is what differs between the layouts: what the table says of its own, in a comment, or
// the rule of iptables itself.
var layoutMark = regexp.MustCompile(`layout [a-z0-9]+|errors about what was \w+`)

func (s *testbed) layout(node string) (string, error) {
	text, err := s.ruleset(node)
	return layoutMark.FindString(text), err
}
