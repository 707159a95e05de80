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
	before, err := s.marks(a.node)
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
	after, err := s.marks(a.node)
	for i, mark := range before {
		if err == nil && mark != "" && after[i] == mark {
			err = fmt.Errorf("%s: the rules still have: %s", a.node, mark)
		}
	}
	return err
}

// versionMarks are what differs between the versions: what the table says of its layout, in a
// comment, or the rule of iptables itself; and, with nftables alone, a rule in every pod's chain.
var versionMarks = [...]*regexp.Regexp{
	regexp.MustCompile(`layout [a-z0-9]+|errors about what was \w+`),
	regexp.MustCompile(`burst \d+ packets`),
}

// marks finds them on a node; one that is not there is empty.
func (s *testbed) marks(node string) (found [len(versionMarks)]string, err error) {
	text, err := s.ruleset(node)
	for i, mark := range versionMarks {
		found[i] = mark.FindString(text)
	}
	return found, err
}
