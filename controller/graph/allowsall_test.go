package graph

import (
	"testing"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
)

// Everything passes a chain where a step says so, and none before it may deny or pass on.
func TestAllowsAll(t *testing.T) {
	rule := func(a ruleset.Action) ruleset.Rule { return ruleset.Rule{Action: a} }
	some := func(a ruleset.Action) ruleset.Rule {
		return ruleset.Rule{Action: a, Proto: ruleset.TCP}
	}
	call := func(id ruleset.ChainID) ruleset.Call { return ruleset.Call{Chain: id} }
	allowing, denying := ruleset.SpansID(ruleset.TCP, "a"), ruleset.SpansID(ruleset.TCP, "d")
	g := New("n1", ruleset.Drop)
	for id, a := range map[ruleset.SetID]ruleset.Action{
		allowing: ruleset.Accept, denying: ruleset.Deny,
	} {
		g.sets[id] = &set{source: compile.SetSource{Actions: ruleset.ActionsOf(a)}}
	}
	for id, steps := range map[ruleset.ChainID]ruleset.Steps{
		"all": {rule(ruleset.Accept)}, "some": {some(ruleset.Accept)},
		"denies": {some(ruleset.Deny)}, "calls": {call("denies")},
	} {
		g.chains.set(id, ruleset.Chain{ID: id, Steps: steps, End: ruleset.EndGoBack})
	}
	for name, row := range map[string]struct {
		steps ruleset.Steps
		want  bool
	}{
		"nothing":             {nil, false},
		"all":                 {ruleset.Steps{rule(ruleset.Accept)}, true},
		"some":                {ruleset.Steps{some(ruleset.Accept)}, false},
		"some, then all":      {ruleset.Steps{some(ruleset.Accept), rule(ruleset.Accept)}, true},
		"some denied":         {ruleset.Steps{some(ruleset.Deny), rule(ruleset.Accept)}, false},
		"some passed on":      {ruleset.Steps{some(ruleset.Pass), rule(ruleset.Accept)}, false},
		"denied afterwards":   {ruleset.Steps{rule(ruleset.Accept), some(ruleset.Deny)}, true},
		"everything denied":   {ruleset.Steps{rule(ruleset.Deny)}, false},
		"a call that does":    {ruleset.Steps{call("all")}, true},
		"a call of some":      {ruleset.Steps{call("some"), rule(ruleset.Accept)}, true},
		"a call that denies":  {ruleset.Steps{call("denies"), rule(ruleset.Accept)}, false},
		"a call of a call":    {ruleset.Steps{call("calls"), rule(ruleset.Accept)}, false},
		"ports that allow":    {ruleset.Steps{ruleset.Lookup{Set: allowing}, rule(0)}, true},
		"ports that may deny": {ruleset.Steps{ruleset.Lookup{Set: denying}, rule(0)}, false},
	} {
		g.chains.set("x", ruleset.Chain{ID: "x", Steps: row.steps})
		if got := g.allowsAll("x"); got != row.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
