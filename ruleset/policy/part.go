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
	alone   *Claim                       // of this policy without others; nil: not needed yet
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
	a.sortOrigins()
	x := &part{rules: a.rules, sources: make(map[ruleset.SetID]*SetSource, len(a.sources))}
	for i := range a.sources {
		x.sources[a.sources[i].ID] = &a.sources[i]
	}
	return x
}

// lookup is what one policy contributes where ports are looked up.
type lookup struct {
	few, wide, rest []ruleset.Rule   // rules whose ports are looked up one by one, or by ranges, and the others
	pieces          int              // of the few; see maxPieces
	jumps           []ruleset.Member // of the policy alone
	chains          map[ruleset.ChainID]ruleset.Chain
	sources         map[ruleset.SetID]SetSource // of these chains
}

// lookup makes what the part contributes to a look at ports, once.
func (x *part) lookup(d ruleset.Direction) *lookup {
	if x.ports != nil {
		return x.ports
	}
	l := &lookup{chains: map[ruleset.ChainID]ruleset.Chain{}, sources: map[ruleset.SetID]SetSource{}}
	x.ports = l
	for _, rule := range x.rules {
		switch {
		case len(rule.Ports) == 0:
			l.rest = append(l.rest, rule)
		case portsOf(rule) <= fewPorts:
			l.few = append(l.few, rule)
			l.pieces += portsOf(rule) * x.weight(rule)
		default:
			l.wide = append(l.wide, rule)
		}
	}
	if l.pieces > maxPieces {
		return l
	}
	var single pools
	for _, rule := range l.few {
		single.explode(rule, x, func(port) bool { return true })
	}
	a := newAssembly(Pod{}, d)
	l.jumps = a.lead(single)
	for _, c := range a.shared {
		l.chains[c.ID] = c
	}
	for _, source := range a.sources {
		l.sources[source.ID] = source
	}
	return l
}

// weight is how much work it is to take over a rule's peer and origins: a policy can say the same
// many thousand times.
func (x *part) weight(r ruleset.Rule) int {
	weight := 1 + len(r.Origins)/16
	if r.Peer.HasSet() {
		weight += len(x.sources[r.Peer.Set].Ranges)
	}
	return weight
}
