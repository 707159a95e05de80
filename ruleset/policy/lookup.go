package policy

import (
	"cmp"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// fewPorts is how many ports a rule may have that are looked up one by one. Rules with more, or with all of a
// protocol's, stay rules.
const fewPorts = 64

func few(r ruleset.Rule) bool {
	ports := 0
	for _, p := range r.Ports {
		ports += int(p.Last-p.First) + 1
	}
	return 0 < ports && ports <= fewPorts
}

// lookUp has every port that a rule names lead to the union of the peers of all rules that name it: one look at the
// port, one at the peer, however many rules there are.
func (a *assembly) lookUp(rules []ruleset.Rule, sources map[ruleset.SetID]*SetSource) {
	others, single := pools{sources: sources}, pools{sources: sources, known: make(map[poolKey]*pool, len(rules))}
	for _, rule := range rules {
		if !few(rule) {
			others.take(rule)
			continue
		}
		for _, ports := range rule.Ports {
			for port := int(ports.First); port <= int(ports.Last); port++ {
				rule.Ports = []ruleset.PortRange{{First: uint16(port), Last: uint16(port)}}
				single.take(rule)
			}
		}
	}
	a.forget()
	a.rules = a.rulesOf(others)
	slices.SortStableFunc(single.list, comparePorts)
	a.lead(a.rulesOf(single))
}

// lead makes the chains of peers, one for all ports that have the same, and the map that leads to them.
func (a *assembly) lead(rules []ruleset.Rule) {
	made := map[string]ruleset.ChainID{}
	for len(rules) > 0 {
		n := 1
		for n < len(rules) && rules[n].Proto == rules[0].Proto && rules[n].Ports[0] == rules[0].Ports[0] {
			n++
		}
		slices.SortFunc(rules[:n], func(x, y ruleset.Rule) int { return x.Peer.Compare(y.Peer) })
		a.jumps = append(a.jumps, a.jump(made, rules[:n]))
		rules = rules[n:]
	}
}

// comparePorts orders pools of one port each.
func comparePorts(x, y *pool) int {
	return cmp.Or(cmp.Compare(x.proto, y.proto), cmp.Compare(x.ports[0].First, y.ports[0].First))
}

// jump says where packets to the one port of these rules are judged.
func (a *assembly) jump(made map[string]ruleset.ChainID, rules []ruleset.Rule) ruleset.Member {
	origins := rules[0].Origins
	for _, r := range rules[1:] {
		origins = append(origins[:len(origins):len(origins)], r.Origins...)
	}
	slices.SortFunc(origins, ruleset.Origin.Compare)
	return ruleset.Member{
		Proto: rules[0].Proto, Port: rules[0].Ports[0].First,
		Chain: a.peersChain(made, rules), Comment: ruleset.ShortOrigins(slices.Compact(origins)),
	}
}

// peersChain returns the chain that these rules make without ports.
func (a *assembly) peersChain(made map[string]ruleset.ChainID, rules []ruleset.Rule) ruleset.ChainID {
	identity := make([]byte, 0, 100)
	for _, r := range rules {
		identity = append(append(identity, r.Peer.String()...), '\n')
	}
	if id, exists := made[string(identity)]; exists {
		return id
	}
	c := ruleset.Chain{ID: ruleset.NewPeersID(a.direction, string(identity)), Direction: a.direction, Denial: ruleset.GoBack}
	for _, r := range rules {
		c.Rules = append(c.Rules, ruleset.Rule{Peer: r.Peer})
	}
	a.shared = append(a.shared, c)
	made[string(identity)] = c.ID
	return c.ID
}
