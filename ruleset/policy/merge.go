package policy

import (
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Form is how chains are written; the zero value is right.
type Form struct {
	Denial   ruleset.Denial // what happens to a denied packet
	Readable int            // a chain with more rules than this is merged; 0: 16
}

// readable is how many rules a person reads and a packet passes without much ado.
const readable = 16

func (f Form) merges(rules int) bool {
	if f.Readable == 0 {
		f.Readable = readable
	}
	return rules > f.Readable
}

// merge makes one rule of all that let the same ports pass, for each family and kind of peer: over the union of
// their peers. However many policies there are, a packet is compared with as many rules as there are different
// ports.
func (a *assembly) merge() {
	sources := map[ruleset.SetID]SetSource{}
	for _, s := range a.sources {
		sources[s.ID] = s
	}
	var pools []*pool
	known := map[poolKey]*pool{}
	for _, rule := range a.rules {
		key := poolOf(rule)
		if known[key] == nil {
			known[key] = &pool{rule: ruleset.Rule{Proto: rule.Proto, Ports: rule.Ports}}
			pools = append(pools, known[key])
		}
		known[key].take(rule, sources[rule.Peer.Set])
	}
	a.rules, a.same, a.sources, a.known = nil, map[permission]int{}, nil, map[ruleset.SetID]bool{}
	for _, p := range pools {
		p.rule.Peer = a.among(p)
		slices.SortFunc(p.rule.Origins, ruleset.Origin.Compare)
		p.rule.Origins = slices.Compact(p.rule.Origins)
		a.rules = append(a.rules, p.rule)
	}
}

// poolKey is what rules have in common that become one.
type poolKey struct {
	ports  string // with the protocol
	family ruleset.Family
	pods   bool
	alone  ruleset.Peer // everybody, and ports by name: nothing is united with those
}

func poolOf(r ruleset.Rule) poolKey {
	key := poolKey{ports: ruleset.Rule{Proto: r.Proto, Ports: r.Ports}.String()}
	switch {
	case r.Peer.HasSet() && r.Peer.Set.Kind == ruleset.AddressPorts:
		key.alone = r.Peer
	case r.Peer.HasSet():
		key.family, key.pods = r.Peer.Set.Family, r.Peer.Set.Kind == ruleset.Addresses
	case r.Peer.Prefix.IsValid():
		key.family = ruleset.FamilyOf(r.Peer.Prefix.Addr())
	}
	return key
}

// pool is rules that become one.
type pool struct {
	rule    ruleset.Rule
	sources []SetSource
	ranges  []ruleset.Range
}

func (p *pool) take(r ruleset.Rule, source SetSource) {
	if r.Peer.Prefix.IsValid() {
		p.ranges = append(p.ranges, ruleset.RangeOf(r.Peer.Prefix))
	} else if r.Peer.HasSet() {
		p.sources = append(p.sources, source)
		p.ranges = append(p.ranges, source.Ranges...)
	}
	p.rule.Origins = append(p.rule.Origins, r.Origins...)
}

// among returns the union of the peers.
func (a *assembly) among(p *pool) ruleset.Peer {
	switch {
	case len(p.ranges) > 0:
		return a.appendBlocks(nil, Union(p.ranges), ruleset.FamilyOf(p.ranges[0].First))[0]
	case len(p.sources) == 0:
		return ruleset.Peer{}
	default:
		return a.inSet(unite(p.sources))
	}
}
