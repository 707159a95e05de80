package main

import "github.com/picket-project/picket/e2e/listing"

// message kills an agent before each of its netlink messages, from its start until it has carried
// out a change of nearly everything, and before it reads the answer to the last one, which is the
// transaction. Then the kernel must hold the rules of before or of after.
type message struct{}

func (message) Name() string { return "message" }

func (message) Plan() plan { return plan{} }

// OnlyNftables says what the row is about.
func (message) OnlyNftables() string { return "one transaction for a change" }

func (message) Inject(s *testbed) error {
	w, err := s.learnExpectedRules(s.agents[0])
	if err != nil {
		return err
	}
	m := &messages{testbed: s, agent: s.agents[0], expectedRules: w, killed: map[int]bool{},
		sends: -1}
	m.agent.kill()
	for range s.times(3, 1) { // a kill that came too late is tried again
		if err := m.pass(s.times(1, 8)); err != nil {
			return err
		}
	}
	answers := s.times(10, 2)
	for range answers {
		if err := m.try(beforeAnswer); err != nil {
			return err
		}
	}
	s.done("killed before %d of %d netlink messages and %d answers", len(m.killed), m.sends,
		answers)
	s.note("the kernel held the new rules after %d of these kills", m.after)
	if !s.env.short && len(m.killed) < m.sends {
		s.fault("not every message was met")
	}
	return m.agent.start()
}

// messages is the work of that row.
type messages struct {
	testbed *testbed
	agent   *agent
	expectedRules
	now    int // the state that the kernel holds
	killed map[int]bool
	after  int // kills after which the new rules were there
	sends  int // messages until the change is made; negative: not known yet
}

// pass kills before every step-th message before which nothing was killed yet.
func (m *messages) pass(step int) error {
	for n := 1; m.sends < 0 || n <= m.sends; n += step {
		if m.killed[n] {
			continue
		}
		if err := m.try(killPoint(n)); err != nil {
			return err
		}
	}
	return nil
}

// try lets the agent make the change, and kills it at some point of that.
func (m *messages) try(at killPoint) error {
	next := 1 - m.now
	if err := m.testbed.churn.setState(next); err != nil {
		return err
	}
	count, ready, err := at.startAndKill(m.agent)
	if err != nil {
		return err
	}
	switch {
	case ready:
		m.sends = max(m.sends, count)
	case at != beforeAnswer:
		m.killed[count] = true
	}
	return m.checkRules(next, at, ready)
}

// checkRules looks at what the kernel holds after a kill.
func (m *messages) checkRules(next int, at killPoint, ready bool) error {
	have, err := m.testbed.ruleset(m.agent.node)
	switch {
	case err != nil:
		return err
	case have == m.states[next]:
		m.now = next
		if !ready {
			m.after++
		}
	case have != m.states[m.now]:
		m.testbed.fault("killed at message %d: neither the old rules nor the new (-):\n%s", at,
			listing.Difference(m.states[next], have))
	}
	return nil
}
