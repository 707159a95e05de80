package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// disturbance is the work that rows share which disturb one agent for a while.
type disturbance struct {
	testbed      *testbed
	agent        *agent
	expected     expectedRules
	saidNotReady bool // the agent has said once that it is not ready, and why
}

// newDisturbance learns what the node of the first agent must hold; the manifests are in state 0
// then.
func (s *testbed) newDisturbance() (*disturbance, error) {
	w, err := s.learnExpectedRules(s.agents[0])
	return &disturbance{testbed: s, agent: s.agents[0], expected: w}, err
}

// observation is what was seen of an agent while it was disturbed.
type observation struct {
	looks, unready int
	reasons        []string
}

// String says how often the agent was not ready, and the first reasons that it gave.
func (w observation) String() string {
	return strings.Join(
		append([]string{fmt.Sprintf("not ready in %d of %d looks", w.unready, w.looks)},
			w.reasons...), "; ")
}

// watch changes the manifests and looks at the agent, until the time is over. The last change is to
// a state.
func (t *disturbance) watch(length time.Duration, state int) (w observation) {
	links := t.links()
	for end := time.Now().Add(length); time.Now().Before(end); {
		if err := t.testbed.churn.change(); err != nil {
			t.testbed.fault("change manifests: %v", err)
		}
		t.observe(&w)
		t.testbed.sleep(20 * time.Millisecond)
	}
	if now := t.links(); now != "" && now != links {
		t.testbed.fault("the interfaces that pods sit behind are forgotten: %s", now)
	}
	if err := t.testbed.churn.setState(state); err != nil {
		t.testbed.fault("change manifests: %v", err)
	}
	t.testbed.sleep(100 * time.Millisecond)
	return w
}

// observe asks the agent whether the agent says that it is ready, and the reasons if not.
func (t *disturbance) observe(w *observation) {
	r, err := t.agent.client().Readiness()
	w.looks++
	switch {
	case err != nil:
		w.note("no answer")
	case !r.Ready && len(r.Reasons) == 0:
		t.testbed.fault("not ready, and no reason")
	}
	if !r.Ready {
		w.unready++
	}
	for part, reason := range r.Reasons {
		w.note(part + ": " + reason)
		t.saidNotReady = true
	}
}

func (w *observation) note(reason string) {
	if !slices.Contains(w.reasons, reason) && len(w.reasons) < 2 {
		w.reasons = append(w.reasons, reason)
	}
}

// links is what the kernel holds of the interfaces that pods sit behind; empty where that cannot be
// listed.
func (t *disturbance) links() string {
	text, _ := t.testbed.ruleset(t.agent.node)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "set podlinks ") ||
			strings.Contains(line, "picket-from-pods #") {
			return line
		}
	}
	return ""
}

// recovery is how long an agent may take to be well again: its longest pause between attempts is 5
// s.
const recovery = 12 * time.Second

// recover waits until the same process has reached a state. One that does not is restarted, so that
// the row can go on.
func (t *disturbance) recover(after string, w observation, state int) error {
	same := t.agent.alive()
	took, err := t.testbed.await(recovery, "well again", func() error {
		if err := t.agent.client().Ready(); err != nil {
			return err
		}
		return t.expected.check(t.testbed, state)
	})
	if w.looks > 0 {
		t.testbed.note("%s: %v", after, w)
	}
	switch {
	case t.testbed.ctx.Err() != nil:
		return t.testbed.ctx.Err()
	case err == nil && same:
		t.testbed.repairs = append(t.testbed.repairs, took)
		return nil
	}
	t.testbed.fault("%s: alive %t, %v", after, same, err)
	t.agent.end(syscall.SIGQUIT) // its log then has the stacks of all goroutines
	return errors.Join(t.agent.start(), t.agent.awaitReady(patience))
}
