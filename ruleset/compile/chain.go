package compile

import (
	"fmt"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Isolation is everything that isolates one pod in one direction.
type Isolation struct {
	Chain   ruleset.Chain
	Shared  []ruleset.Chain // chains that Chain leads to; other pods may lead to them, too
	Sources []SetSource     // of the sets that all of these chains use
}

// builder is a chain in the making. What policies contribute is put together first; it
// is the same for all pods of a group. The isolation of one pod of it is made last.
type builder struct {
	pod       policy.Pod
	direction ruleset.Direction
	origin    []ruleset.Origin // of the rule that is being added
	rules     []ruleset.Rule   // none when they are complete: they are the steps then
	places    map[match]int    // of what a rule matches, the rule's index in rules
	unsorted  bool             // rules may have origins that are not in order
	steps     ruleset.Steps
	sources   []SetSource
	sourceAt  map[ruleset.SetID]int // index in sources
	jumps     []ruleset.Member      // of the chain's port map
	ranges    []SetSource           // of the chain's maps of port ranges, one a protocol
	shared    []ruleset.Chain       // where jumps and ranges lead
	hasShared map[ruleset.ChainID]bool
	leadsTo   ruleset.Actions // what the chains in shared can do
	tooLarge  bool            // building it would be too much work, so it has no rules
}

// newBuilder returns a chain without rules. The pod decides over families and named
// ports.
func newBuilder(p policy.Pod, d ruleset.Direction) builder {
	return builder{
		pod: p, direction: d, places: map[match]int{}, sourceAt: map[ruleset.SetID]int{},
	}
}

// match is what a rule matches and does, in a form that can be compared.
type match struct {
	peer   ruleset.Peer
	proto  ruleset.Protocol
	ports  portsID
	action ruleset.Action
}

// portsID is a list of port ranges in a form that can be compared.
type portsID struct {
	first ruleset.PortRange // where there is one range
	all   string            // where there are several
	any   bool              // where there is none
}

// portsIDOf makes a list of port ranges comparable. The lists that are by far the most
// common, of none or one, take no text.
func portsIDOf(ports []ruleset.PortRange) portsID {
	switch len(ports) {
	case 0:
		return portsID{any: true}
	case 1:
		return portsID{first: ports[0]}
	default:
		return portsID{all: fmt.Sprint(ports)}
	}
}

// build puts together what policies contribute to the chain of a pod.
func build(s Subject, contributions []*contribution, form Form) builder {
	b := newBuilder(s.Pod, s.Direction)
	if !b.addAll(contributions, form) {
		b.merge(contributions, form)
	}
	b.steps, b.rules = ruleset.RuleSteps(b.rules...), nil
	return b
}

// addAll adds all rules as they are, in an order that people can read. It gives up
// where they are so many that they must be merged.
func (b *builder) addAll(contributions []*contribution, form Form) bool {
	for _, c := range contributions {
		for _, rule := range c.rules {
			b.take(rule, c)
			if form.merges(len(b.rules)) {
				return false
			}
		}
	}
	b.sortOrigins()
	return true
}

// isolation makes the isolation of one pod of the group from what was put together. The
// builder stays as it is, for the next pod.
func (b builder) isolation(p policy.Pod, form Form, group func() Group) Isolation {
	b.pod = p
	// Clipped, so that what is appended for this pod never ends up in another's lists.
	b.steps, b.sources = slices.Clip(b.steps), slices.Clip(b.sources)
	b.shared = slices.Clip(b.shared)
	own := ruleset.Chain{
		ID:        ruleset.NewChainID(b.direction, p.Namespace, p.Name),
		Direction: b.direction, Subject: p.String(), End: form.Denial.End(),
	}
	if len(b.jumps)+len(b.ranges) > 0 {
		b.addPortLookup(own, group())
	}
	own.Steps = b.withItself()
	return Isolation{own, b.shared, b.sources}
}

// addPortLookup has the pod's own chain look ports up or, where the pod has a group, call a chain
// that the group shares: this one then looks the ports up and has the rules as well.
func (b *builder) addPortLookup(own ruleset.Chain, group Group) {
	if group.ID == "" {
		b.steps = b.lookingUp(own.ID, own.Subject)
		return
	}
	b.shared = append(b.shared, ruleset.Chain{
		ID: group.ID, Direction: b.direction, Steps: b.lookingUp(group.ID, group.Name),
		End: ruleset.EndGoBack,
	})
	b.steps = ruleset.Steps{ruleset.Call{Chain: group.ID}}
}

// lookingUp returns the steps of a chain that looks ports up in its port map and in the maps of port
// ranges, before it tries the rules: this decides about most packets.
func (b *builder) lookingUp(id ruleset.ChainID, whose string) ruleset.Steps {
	var sources []SetSource
	if len(b.jumps) > 0 {
		sources = append(sources, SetSource{
			ID: ruleset.PortsOf(id), Comment: "ports of " + whose, Jumps: b.jumps,
			Actions: b.leadsTo,
		})
	}
	sources = append(sources, b.ranges...)
	steps := make(ruleset.Steps, 0, len(sources)+len(b.steps)+2)
	for _, s := range sources {
		steps = append(steps, ruleset.Lookup{Set: s.ID})
	}
	b.sources = append(b.sources, sources...)
	return append(steps, b.steps...)
}
