package policy

import (
	"cmp"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// fewPorts is how many ports a rule may have that are looked up one by one. Rules with more are looked up by ranges.
const fewPorts = 16

func portsOf(r ruleset.Rule) (ports int) {
	for _, p := range r.Ports {
		ports += int(p.Last-p.First) + 1
	}
	return ports
}

// lookUp has every port that a rule names lead to the union of the peers of all rules that name it: one look at the
// port, one at the peer, however many rules there are. Most ports are named by one policy alone, which knows already
// where they lead. Rules for many ports have maps of their own, of ranges.
func (a *assembly) lookUp(parts []*part, form Form) {
	pieces := 0
	for _, x := range parts {
		pieces += x.lookup(a.direction).pieces
	}
	if pieces > maxPieces {
		a.endless = true
		return
	}
	a.others(parts, form)
	var single pools
	common := commonPorts(parts, a.direction)
	for _, x := range parts {
		l := x.lookup(a.direction)
		for _, m := range l.jumps {
			if !common[portOf(m)] {
				a.jumps = append(a.jumps, m)
				a.lookedUp(l.chains[m.Chain], l.sources)
			}
		}
		for i := 0; i < len(l.few) && len(common) > 0; i++ {
			single.explode(l.few[i], x, func(at port) bool { return common[at] })
		}
	}
	a.jumps = append(a.jumps, a.lead(single)...)
	slices.SortFunc(a.jumps, ruleset.Member.Compare)
}

// others takes the rules whose ports are not looked up one by one. Where they are many, those with ports are looked up
// by ranges.
func (a *assembly) others(parts []*part, form Form) {
	var rest, wide pools
	for _, x := range parts {
		for _, rule := range x.lookup(a.direction).rest {
			rest.take(rule, x)
		}
		for _, rule := range x.lookup(a.direction).wide {
			wide.take(rule, x)
		}
	}
	if form.merges(len(wide.list)) {
		a.byRange(parts)
	} else {
		rest.list = append(rest.list, wide.list...)
	}
	a.rules = append(a.rules, a.rulesOf(rest)...)
}

// port is one of a protocol.
type port struct {
	proto  ruleset.Protocol
	number uint16
}

func portOf(m ruleset.Member) port { return port{m.Proto, m.Port} }

// commonPorts are those that several parts name.
func commonPorts(parts []*part, d ruleset.Direction) map[port]bool {
	seen, common := map[port]bool{}, map[port]bool{}
	for _, x := range parts {
		for _, m := range x.lookup(d).jumps {
			if seen[portOf(m)] {
				common[portOf(m)] = true
			}
			seen[portOf(m)] = true
		}
	}
	return common
}

// lookedUp takes a chain over that a port leads to, and its sets.
func (a *assembly) lookedUp(c ruleset.Chain, sources map[ruleset.SetID]SetSource) {
	if !a.leadTo(c) {
		return
	}
	for _, r := range c.Rules {
		if r.Peer.HasSet() {
			a.inSet(sources[r.Peer.Set])
		}
	}
}

// explode takes a rule once for each of its ports that is wanted.
func (p *pools) explode(rule ruleset.Rule, from *part, wanted func(port) bool) {
	for _, ports := range rule.Ports {
		for number := int(ports.First); number <= int(ports.Last); number++ {
			if wanted(port{rule.Proto, uint16(number)}) {
				rule.Ports = []ruleset.PortRange{{First: uint16(number), Last: uint16(number)}}
				p.take(rule, from)
			}
		}
	}
}

// lead makes the chains of peers, one for all ports, or ranges of them, that have the same. It returns what leads there.
func (a *assembly) lead(single pools) (jumps []ruleset.Member) {
	slices.SortStableFunc(single.list, comparePorts)
	rules, made := a.rulesOf(single), map[string]ruleset.ChainID{}
	for len(rules) > 0 {
		n := 1
		for n < len(rules) && rules[n].Proto == rules[0].Proto && rules[n].Ports[0] == rules[0].Ports[0] {
			n++
		}
		slices.SortFunc(rules[:n], func(x, y ruleset.Rule) int { return x.Peer.Compare(y.Peer) })
		jumps = append(jumps, a.jump(made, rules[:n]))
		rules = rules[n:]
	}
	return jumps
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
	m := ruleset.Member{
		Proto: rules[0].Proto, Port: rules[0].Ports[0].First,
		Chain: a.peersChain(made, rules), Reason: ruleset.ReasonOf(slices.Compact(origins)),
	}
	if last := rules[0].Ports[0].Last; last > m.Port {
		m.LastPort = last
	}
	return m
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
	a.leadTo(c)
	made[string(identity)] = c.ID
	return c.ID
}

// leadTo adds a chain to those that are shared, if it is not there.
func (a *assembly) leadTo(c ruleset.Chain) (isNew bool) {
	if a.led[c.ID] {
		return false
	}
	if a.led == nil {
		a.led = map[ruleset.ChainID]bool{}
	}
	a.led[c.ID] = true
	a.shared = append(a.shared, c)
	return true
}
