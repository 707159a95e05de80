package policy

import (
	"fmt"

	"github.com/picket-project/picket/ruleset"
)

// part is what one policy contributes to a judgement.
type part struct {
	rules   []ruleset.Rule
	sources map[ruleset.SetID]*SetSource // that they speak of
	ports   *lookup                      // nil: not needed yet
}

// Parts keeps what policies contribute to the judgements of pods, each until it is forgotten: of thousands of rules few
// change at a time. The zero value is ready.
type Parts struct{ known map[*Policy]map[string]*part }

// Forget lets go of what was kept of a policy.
func (x *Parts) Forget(policy *Policy) { delete(x.known, policy) }

func (x *Parts) of(p Pod, d ruleset.Direction, policy *Policy) *part {
	if d == ruleset.Ingress && policy.namesPorts() {
		return p.part(d, policy) // the pod says what a name means
	}
	key := fmt.Sprint(d, p.families())
	if known := x.known[policy][key]; known != nil {
		return known
	}
	if x.known == nil {
		x.known = map[*Policy]map[string]*part{}
	}
	if x.known[policy] == nil {
		x.known[policy] = map[string]*part{}
	}
	made := p.part(d, policy)
	x.known[policy][key] = made
	return made
}

func (p Pod) part(d ruleset.Direction, policy *Policy) *part {
	a := newAssembly(p, d)
	name := policy.String()
	for _, rule := range policy.Rules[d] {
		a.origin = []ruleset.Origin{{Policy: name, Direction: d, Rule: rule.Index}}
		a.rule(rule)
	}
	x := &part{rules: a.rules, sources: make(map[ruleset.SetID]*SetSource, len(a.sources))}
	for i := range a.sources {
		x.sources[a.sources[i].ID] = &a.sources[i]
	}
	return x
}
