package compile

import (
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Form is how chains are written; the zero value is right.
type Form struct {
	Denial   ruleset.Denial // what happens to a denied packet
	Readable int            // a chain with more rules than this is merged; 0: 16
	Budgets  Budgets        // what policies may need; zero: the default
	Reach    Reach          // how many pods there are; nil: none
}

// Room returns the budgets.
func (f Form) Room() Budgets {
	if f.Budgets == (Budgets{}) {
		return DefaultBudgets()
	}
	return f.Budgets
}

// Roughly returns how many pods there are, rounded as the budgets say.
func (f Form) Roughly() Reach {
	b := f.Room()
	return func(d policy.Demand) int {
		if f.Reach == nil {
			return b.Least
		}
		return b.Roughly(f.Reach(d))
	}
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
// their peers. Where that is not enough, ports are looked up. So a packet is compared with a few rules, however many
// policies there are.
func (a *assembly) merge(parts []*part, form Form) {
	*a = newAssembly(a.pod, a.direction)
	var all pools
	for _, x := range parts {
		for _, rule := range x.rules {
			all.take(rule, x)
			if form.merges(len(all.list)) {
				a.lookUp(parts, form)
				return
			}
		}
	}
	a.rules = a.rulesOf(all)
}

func (a *assembly) rulesOf(p pools) []ruleset.Rule {
	rules := make([]ruleset.Rule, 0, len(p.list))
	for _, p := range p.list {
		rules = append(rules, ruleset.Rule{Proto: p.proto, Ports: p.ports, Peer: a.among(p), Origins: p.origins()})
	}
	return rules
}

// poolKey is what rules have in common that become one.
type poolKey struct {
	proto  ruleset.Protocol
	ports  portsID
	family ruleset.Family
	pods   bool
	alone  string // a set of ports by name: nothing is united with those
}

func poolOf(r ruleset.Rule) poolKey {
	key := poolKey{proto: r.Proto, ports: idOf(r.Ports)}
	switch {
	case r.Peer.HasSet() && r.Peer.Set.Kind == ruleset.AddressPorts:
		key.alone = r.Peer.String()
	case r.Peer.HasSet():
		key.family, key.pods = r.Peer.Set.Family, r.Peer.Set.Kind == ruleset.Addresses
	case r.Peer.Prefix.IsValid():
		key.family = ruleset.FamilyOf(r.Peer.Prefix.Addr())
	}
	return key
}

// pools sorts rules by what they have in common.
type pools struct {
	list  []*pool
	known map[poolKey]*pool
}

// take adds a rule of a part.
func (p *pools) take(r ruleset.Rule, from *part) {
	key := poolOf(r)
	if p.known == nil {
		p.known = map[poolKey]*pool{}
	}
	if p.known[key] == nil {
		p.known[key] = &pool{proto: r.Proto, ports: r.Ports}
		p.list = append(p.list, p.known[key])
	}
	p.known[key].take(r, from.sources[r.Peer.Set])
}

// pool is rules that become one.
type pool struct {
	proto   ruleset.Protocol
	ports   []ruleset.PortRange
	sources []*SetSource
	ranges  []ruleset.Range
	from    []ruleset.Origin
}

func (p *pool) take(r ruleset.Rule, source *SetSource) {
	if r.Peer.Prefix.IsValid() {
		p.ranges = append(p.ranges, ruleset.RangeOf(r.Peer.Prefix))
	} else if r.Peer.HasSet() {
		p.sources = append(p.sources, source)
		p.ranges = append(p.ranges, source.Ranges...)
	}
	if p.from == nil {
		p.from = slices.Clip(r.Origins)
		return
	}
	p.from = append(p.from, r.Origins...)
}

func (p *pool) origins() []ruleset.Origin {
	slices.SortFunc(p.from, ruleset.Origin.Compare)
	return slices.Compact(p.from)
}

// among returns the union of the peers.
func (a *assembly) among(p *pool) ruleset.Peer {
	switch {
	case len(p.ranges) > 0:
		return a.appendBlocks(nil, policy.Union(p.ranges), ruleset.FamilyOf(p.ranges[0].First))[0]
	case len(p.sources) == 0:
		return ruleset.Peer{}
	default:
		return a.inSet(unite(p.sources))
	}
}
