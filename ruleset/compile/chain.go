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
	rules     []ruleset.Rule
	places    map[permission]int // of what a rule allows, the rule's index in rules
	unsorted  bool               // rules may have origins that are not in order
	sources   []SetSource
	hasSource map[ruleset.SetID]bool
	jumps     []ruleset.Member // of the chain's port map
	ranges    []SetSource      // of the chain's maps of port ranges, one a protocol
	shared    []ruleset.Chain  // where jumps and ranges lead
	hasShared map[ruleset.ChainID]bool
	tooLarge  bool // building it would be too much work, so it has no rules
}

// newBuilder returns a chain without rules. The pod decides over families and named
// ports.
func newBuilder(p policy.Pod, d ruleset.Direction) builder {
	return builder{
		pod: p, direction: d, places: map[permission]int{}, hasSource: map[ruleset.SetID]bool{},
	}
}

// permission is what a rule allows, in a form that can be compared.
type permission struct {
	peer  ruleset.Peer
	proto ruleset.Protocol
	ports portsID
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
	b.rules, b.sources = slices.Clip(b.rules), slices.Clip(b.sources)
	b.shared = slices.Clip(b.shared)
	own := ruleset.Chain{
		ID:        ruleset.NewChainID(b.direction, p.Namespace, p.Name),
		Direction: b.direction, Subject: p.String(), Denial: form.Denial,
	}
	if len(b.jumps)+len(b.ranges) > 0 {
		own.Onward = b.addPortLookup(&own, group())
	}
	b.allowItself()
	own.Rules = b.rules
	return Isolation{own, b.shared, b.sources}
}

// addPortLookup has the pod's own chain look ports up or, where the pod has a group,
// the chain that the group shares. It returns the ID of the shared chain, which then
// has the rules as well.
func (b *builder) addPortLookup(own *ruleset.Chain, group Group) ruleset.ChainID {
	if group.ID == "" {
		b.lookUpIn(own, own.Subject)
		return ""
	}
	shared := ruleset.Chain{
		ID: group.ID, Direction: b.direction, Rules: b.rules, Denial: ruleset.GoBack,
	}
	b.lookUpIn(&shared, group.Name)
	b.shared = append(b.shared, shared)
	b.rules = nil
	return group.ID
}

// lookUpIn has a chain look ports up in the port map and in the maps of port ranges.
func (b *builder) lookUpIn(c *ruleset.Chain, whose string) {
	if c.ByPort = len(b.jumps) > 0; c.ByPort {
		b.sources = append(b.sources, SetSource{
			ID: ruleset.PortsOf(c.ID), Comment: "ports of " + whose, Jumps: b.jumps,
		})
	}
	for _, ranges := range b.ranges {
		b.sources = append(b.sources, ranges)
		c.Spans = append(c.Spans, ranges.ID)
	}
}
