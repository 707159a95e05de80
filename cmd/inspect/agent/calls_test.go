package agent

import (
	"errors"
	"fmt"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

// ladder is a program of chains that each call the next one so many times.
func ladder(length, times int) *ruleset.Program {
	p := &ruleset.Program{}
	id := func(i int) ruleset.ChainID { return ruleset.NewPeersID(ruleset.Ingress, fmt.Sprint(i)) }
	for i := range length {
		c := ruleset.Chain{ID: id(i), Subject: "shop/web", End: ruleset.EndGoBack}
		for range times {
			c.Steps = append(c.Steps, ruleset.Call{Chain: id(i + 1)})
		}
		p.Chains = append(p.Chains, c)
	}
	return p
}

// What leads in circles, too deep, or to more than there is, is refused at once and not followed.
func TestCallsOfAHostileAgent(t *testing.T) {
	circle := ladder(3, 1)
	circle.Chains[2].Steps = ruleset.Steps{ruleset.Call{Chain: circle.Chains[0].ID}}
	self := ladder(1, 1)
	self.Chains[0].Steps = ruleset.Steps{ruleset.Lookup{Set: ruleset.PortsOf(self.Chains[0].ID)}}
	self.Sets = []ruleset.Set{{ID: ruleset.PortsOf(self.Chains[0].ID), Members: []ruleset.Member{
		{Proto: ruleset.TCP, Port: 80, Chain: self.Chains[0].ID}}}}
	for what, test := range map[string]struct {
		program *ruleset.Program
		refused bool
	}{
		"a real one":             {sample().Program, false},
		"as deep as they may":    {ladder(ruleset.MaxCalls, 1), false},
		"one too deep":           {ladder(ruleset.MaxCalls+1, 1), true},
		"very deep":              {ladder(100_000, 1), true},
		"a circle":               {circle, true},
		"a port that leads back": {self, true},
		"ten times each":         {ladder(ruleset.MaxCalls, 10), true},
		"twice each":             {ladder(12, 2), false},
	} {
		s := sample()
		s.Program = test.program
		err := s.Check()
		if refused := errors.Is(err, errCalls); refused != test.refused || !refused && err != nil {
			t.Errorf("%s: %v", what, err)
		}
		// What is not refused ends.
		if err == nil {
			s.PodRules("shop/web")
		}
	}
}
