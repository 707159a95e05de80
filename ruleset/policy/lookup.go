package policy

import (
	"cmp"
	"slices"
	"strings"

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
func (a *assembly) lookUp(rules []ruleset.Rule, sources map[ruleset.SetID]SetSource) {
	others, byPort := pools{sources: sources}, map[portKey]*pools{}
	for _, rule := range rules {
		if !few(rule) {
			others.take(rule)
			continue
		}
		for key := range portsOf(rule) {
			if byPort[key] == nil {
				byPort[key] = &pools{sources: sources}
			}
			byPort[key].take(ruleset.Rule{Peer: rule.Peer, Origins: rule.Origins})
		}
	}
	a.forget()
	a.rules = a.rulesOf(others)
	a.lead(byPort)
}

// portKey is one port of a protocol.
type portKey struct {
	proto ruleset.Protocol
	port  uint16
}

func (k portKey) compare(o portKey) int {
	return cmp.Or(cmp.Compare(k.proto, o.proto), cmp.Compare(k.port, o.port))
}

func portsOf(r ruleset.Rule) func(yield func(portKey) bool) {
	return func(yield func(portKey) bool) {
		for _, ports := range r.Ports {
			for port := int(ports.First); port <= int(ports.Last); port++ {
				if !yield(portKey{r.Proto, uint16(port)}) {
					return
				}
			}
		}
	}
}

// lead makes the chains of peers, one for all ports that have the same, and the map that leads to them.
func (a *assembly) lead(byPort map[portKey]*pools) {
	made := map[string]ruleset.ChainID{}
	for _, key := range sortedPorts(byPort) {
		rules := a.rulesOf(*byPort[key])
		var origins []ruleset.Origin
		for i := range rules {
			origins = append(origins, rules[i].Origins...)
			rules[i].Origins = nil
		}
		slices.SortFunc(origins, ruleset.Origin.Compare)
		a.jumps = append(a.jumps, ruleset.Member{
			Proto: key.proto, Port: key.port, Chain: a.peersChain(made, rules), Comment: ruleset.ShortOrigins(slices.Compact(origins)),
		})
	}
}

func sortedPorts(byPort map[portKey]*pools) []portKey {
	keys := make([]portKey, 0, len(byPort))
	for key := range byPort {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, portKey.compare)
	return keys
}

// peersChain returns the chain of these rules, which have neither ports nor origins.
func (a *assembly) peersChain(made map[string]ruleset.ChainID, rules []ruleset.Rule) ruleset.ChainID {
	slices.SortFunc(rules, func(x, y ruleset.Rule) int { return strings.Compare(x.Peer.String(), y.Peer.String()) })
	var identity strings.Builder
	for _, r := range rules {
		identity.WriteString(r.Peer.String() + "\n")
	}
	id, exists := made[identity.String()]
	if !exists {
		id = ruleset.NewPeersID(a.direction, identity.String())
		made[identity.String()] = id
		a.shared = append(a.shared, ruleset.Chain{ID: id, Direction: a.direction, Rules: rules, Denial: ruleset.GoBack})
	}
	return id
}
