package main

import (
	"errors"

	"github.com/picket-project/picket/e2e/listing"
)

// expectedRules are the rulesets of one node for the two states of the manifests.
type expectedRules struct {
	node   string
	states [2]string
}

// learnExpectedRules learns them from the node's agent, which nobody disturbs; the state is 0 then.
func (s *testbed) learnExpectedRules(a *agent) (w expectedRules, err error) {
	w.node = a.node
	for _, state := range []int{1, 0} {
		if err := s.churn.setState(state); err != nil {
			return w, err
		}
		a.kill()
		if err := errors.Join(a.start(), a.awaitReady(patience)); err != nil {
			return w, err
		}
		if w.states[state], err = s.ruleset(a.node); err != nil {
			return w, err
		}
	}
	if w.states[0] == w.states[1] {
		return w, errors.New("the change changes nothing")
	}
	return w, nil
}

// check is an error that says how the node differs from a state, nil if it does not.
func (w expectedRules) check(s *testbed, state int) error {
	have, err := s.ruleset(w.node)
	if err == nil && have != w.states[state] {
		err = errors.New("expected (-), have (+):\n" + listing.Difference(w.states[state], have))
	}
	return err
}
