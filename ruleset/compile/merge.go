package compile

import (
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// merge makes one rule of all rules with the same ports, for each family and kind of
// peer, over the union of their peers. Where even these are too many, ports are looked
// up in maps, if the backend can do that. So a packet is compared with a few rules,
// however many policies there are.
func (b *builder) merge(contributions []*contribution, form Form) {
	*b = newBuilder(b.pod, b.direction)
	var all mergedRules
	mayLookUp := form.PortMaps && oneAction(contributions)
	for _, c := range contributions {
		for _, rule := range c.rules {
			all.add(rule, c)
			if mayLookUp && form.merges(len(all.list)) {
				b.lookUpPorts(contributions, form)
				return
			}
		}
	}
	b.rules = b.rulesOf(all)
}

// oneAction reports whether all rules do the same, so that their order does not matter.
func oneAction(contributions []*contribution) bool {
	var actions ruleset.Actions
	for _, c := range contributions {
		for i := range c.rules {
			actions = actions.Union(ruleset.ActionsOf(c.rules[i].Action))
		}
	}
	return actions.Count() <= 1
}

// rulesOf returns the rules that merged rules become.
func (b *builder) rulesOf(merged mergedRules) []ruleset.Rule {
	rules := make([]ruleset.Rule, 0, len(merged.list))
	for _, m := range merged.list {
		rules = append(rules, ruleset.Rule{
			Proto: m.proto, Ports: m.ports, Peer: b.unitedPeer(m), Action: m.action,
			Origins: m.sortedOrigins(),
		})
	}
	return rules
}

// unitedPeer returns the union of the peers of a merged rule.
func (b *builder) unitedPeer(m *mergedRule) ruleset.Peer {
	switch {
	case len(m.ranges) > 0:
		return b.inRanges(policy.Union(m.ranges), m.action)
	case len(m.sources) == 0:
		return ruleset.Peer{}
	default:
		return b.inSet(unite(m.sources), m.action)
	}
}

// mergedRules are rules by what they must have in common to become one. The order of rules that
// follow each other with the same action does not matter; those before and after another action are
// never merged. The zero value is empty.
type mergedRules struct {
	list  []*mergedRule
	byKey map[mergeKey]*mergedRule
	last  ruleset.Action // of the rule that was added last
	run   int            // how often the action has changed
}

// mergeKey is what rules must have in common to become one.
type mergeKey struct {
	proto  ruleset.Protocol
	ports  portsID
	family ruleset.Family
	pods   bool
	named  string // a set of ports by name, which is united with no other
	run    int    // of rules with one action
}

// mergeKeyOf returns the key of a rule. Rules for everybody have no family.
func mergeKeyOf(r ruleset.Rule) mergeKey {
	key := mergeKey{proto: r.Proto, ports: portsIDOf(r.Ports)}
	switch {
	case r.Peer.HasSet() && r.Peer.Set.Kind == ruleset.AddressPorts:
		key.named = r.Peer.String()
	case r.Peer.HasSet():
		key.family, key.pods = r.Peer.Set.Family, r.Peer.Set.Kind == ruleset.Addresses
	case r.Peer.Prefix.IsValid():
		key.family = ruleset.FamilyOf(r.Peer.Prefix.Addr())
	}
	return key
}

// add adds a rule of a contribution.
func (x *mergedRules) add(r ruleset.Rule, from *contribution) {
	if len(x.list) > 0 && r.Action != x.last {
		x.run++
	}
	x.last = r.Action
	key := mergeKeyOf(r)
	key.run = x.run
	if x.byKey == nil {
		x.byKey = map[mergeKey]*mergedRule{}
	}
	if x.byKey[key] == nil {
		x.byKey[key] = &mergedRule{proto: r.Proto, ports: r.Ports, action: r.Action}
		x.list = append(x.list, x.byKey[key])
	}
	x.byKey[key].add(r, from.sources[r.Peer.Set])
}

// mergedRule is several rules that become one: with the same ports, and over all of
// their peers.
type mergedRule struct {
	proto   ruleset.Protocol
	ports   []ruleset.PortRange
	action  ruleset.Action
	sources []*SetSource    // of the sets that are peers
	ranges  []ruleset.Range // that are peers
	origins []ruleset.Origin
}

// add adds one rule; source is that of its set, if it has one.
func (m *mergedRule) add(r ruleset.Rule, source *SetSource) {
	if r.Peer.Prefix.IsValid() {
		m.ranges = append(m.ranges, ruleset.RangeOf(r.Peer.Prefix))
	} else if r.Peer.HasSet() {
		m.sources = append(m.sources, source)
		m.ranges = append(m.ranges, source.Ranges...)
	}
	if m.origins == nil {
		m.origins = slices.Clip(r.Origins)
		return
	}
	m.origins = append(m.origins, r.Origins...)
}

// sortedOrigins returns the origins of all rules that became this one, each once.
func (m *mergedRule) sortedOrigins() []ruleset.Origin {
	slices.SortFunc(m.origins, ruleset.Origin.Compare)
	return slices.Compact(m.origins)
}
