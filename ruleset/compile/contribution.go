package compile

import (
	"fmt"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// contribution is what one policy contributes to the chain of a pod.
type contribution struct {
	rules   []ruleset.Rule
	sources map[ruleset.SetID]*SetSource // of the sets that the rules use
	lookup  *portLookup                  // nil: not made yet
	alone   *Request                     // of this policy without others; nil: not made yet
}

// contributions keeps what policies contribute until they are forgotten: of thousands
// of rules few change at a time. The zero value is empty and ready.
type contributions struct {
	kept map[*policy.Policy]map[string]*contribution
}

// Forget drops what was kept of a policy.
func (x *contributions) Forget(from *policy.Policy) { delete(x.kept, from) }

// of returns what a policy contributes to a subject. It is kept by direction and
// families; with port names it depends on the pod, too, and is made anew.
func (x *contributions) of(s Subject, from *policy.Policy) *contribution {
	if s.Direction == ruleset.Ingress && from.NamesPorts() {
		return contribute(s, from)
	}
	key := fmt.Sprint(s.Direction, s.Pod.Families())
	if kept := x.kept[from][key]; kept != nil {
		return kept
	}
	if x.kept == nil {
		x.kept = map[*policy.Policy]map[string]*contribution{}
	}
	if x.kept[from] == nil {
		x.kept[from] = map[string]*contribution{}
	}
	made := contribute(s, from)
	x.kept[from][key] = made
	return made
}

// contribute makes what a policy contributes to a subject.
func contribute(s Subject, from *policy.Policy) *contribution {
	b := newBuilder(s.Pod, s.Direction)
	name := from.String()
	for _, rule := range from.Rules[s.Direction] {
		b.origin = []ruleset.Origin{{Policy: name, Direction: s.Direction, Rule: rule.Index}}
		b.addRule(rule)
	}
	b.sortOrigins()
	c := &contribution{rules: b.rules, sources: make(map[ruleset.SetID]*SetSource, len(b.sources))}
	for i := range b.sources {
		c.sources[b.sources[i].ID] = &b.sources[i]
	}
	return c
}

// portLookup is what one policy contributes to a chain that looks ports up: its rules,
// sorted by how their ports are looked up, and where its ports lead if no other policy
// names them.
type portLookup struct {
	single  []ruleset.Rule // with few ports, which are looked up one by one
	ranged  []ruleset.Rule // with many ports, which are looked up as ranges
	without []ruleset.Rule // without ports
	pieces  int            // of work that the single rules are; see maxPieces

	jumps   []ruleset.Member
	chains  map[ruleset.ChainID]ruleset.Chain // where the jumps lead
	sources map[ruleset.SetID]SetSource       // of the sets that these chains use
}

// portLookup returns the contribution to a look at ports. It is made once.
func (c *contribution) portLookup(d ruleset.Direction) *portLookup {
	if c.lookup == nil {
		c.lookup = &portLookup{
			chains: map[ruleset.ChainID]ruleset.Chain{}, sources: map[ruleset.SetID]SetSource{},
		}
		c.sortByPorts(c.lookup)
		if c.lookup.pieces <= maxPieces {
			c.addJumps(c.lookup, d)
		}
	}
	return c.lookup
}

// sortByPorts sorts the rules by how their ports are looked up.
func (c *contribution) sortByPorts(l *portLookup) {
	for _, rule := range c.rules {
		switch {
		case len(rule.Ports) == 0:
			l.without = append(l.without, rule)
		case countPorts(rule) <= fewPorts:
			l.single = append(l.single, rule)
			l.pieces += countPorts(rule) * c.weight(rule)
		default:
			l.ranged = append(l.ranged, rule)
		}
	}
}

// addJumps adds where each port leads if no other policy names it.
func (c *contribution) addJumps(l *portLookup, d ruleset.Direction) {
	var merged mergedRules
	for _, rule := range l.single {
		merged.addEachPort(rule, c, func(port) bool { return true })
	}
	b := newBuilder(policy.Pod{}, d)
	l.jumps = b.addPeerChains(merged)
	for _, chain := range b.shared {
		l.chains[chain.ID] = chain
	}
	for _, source := range b.sources {
		l.sources[source.ID] = source
	}
}

// weight is how much work it is to take in a rule's peer and origins: a set can have many ranges,
// and a policy can say the same many thousand times.
func (c *contribution) weight(r ruleset.Rule) int {
	weight := 1 + len(r.Origins)/16
	if r.Peer.HasSet() {
		weight += len(c.sources[r.Peer.Set].Ranges)
	}
	return weight
}
