package compile

import (
	"cmp"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// fewPorts is how many ports a rule may have whose ports are looked up one by one. The
// ports of rules with more are looked up as ranges.
const fewPorts = 16

// countPorts returns how many ports a rule has.
func countPorts(r ruleset.Rule) (ports int) {
	for _, p := range r.Ports {
		ports += int(p.Last-p.First) + 1
	}
	return ports
}

// lookUpPorts has each port that rules name lead to the union of the peers of all rules
// that name it: a packet needs one look at the port and one at the peer, however many
// rules there are. Most ports are named by one policy alone, and where these lead is in
// the policy's contribution.
func (b *builder) lookUpPorts(contributions []*contribution, form Form) {
	pieces := 0
	for _, c := range contributions {
		pieces += c.portLookup(b.direction).pieces
	}
	if pieces > maxPieces {
		b.tooLarge = true
		return
	}
	b.addOtherRules(contributions, form)
	var merged mergedRules
	common := commonPorts(contributions, b.direction)
	for _, c := range contributions {
		l := c.portLookup(b.direction)
		for _, m := range l.jumps {
			if !common[portOf(m)] {
				b.jumps = append(b.jumps, m)
				b.takeChain(l.chains[m.Chain], l.sources)
			}
		}
		for i := 0; i < len(l.single) && len(common) > 0; i++ {
			merged.addEachPort(l.single[i], c, func(at port) bool { return common[at] })
		}
	}
	b.jumps = append(b.jumps, b.addPeerChains(merged)...)
	slices.SortFunc(b.jumps, ruleset.Member.Compare)
}

// addOtherRules adds the rules whose ports are not looked up one by one. Those with
// ports are looked up as ranges where they are too many for the chain itself.
func (b *builder) addOtherRules(contributions []*contribution, form Form) {
	var rest, ranged mergedRules
	for _, c := range contributions {
		for _, rule := range c.portLookup(b.direction).without {
			rest.add(rule, c)
		}
		for _, rule := range c.portLookup(b.direction).ranged {
			ranged.add(rule, c)
		}
	}
	if form.merges(len(ranged.list)) {
		b.lookUpRanges(contributions)
	} else {
		rest.list = append(rest.list, ranged.list...)
	}
	b.rules = append(b.rules, b.rulesOf(rest)...)
}

// port is one port of a protocol.
type port struct {
	proto  ruleset.Protocol
	number uint16
}

// portOf returns the port that a member of a port map is for.
func portOf(m ruleset.Member) port { return port{m.Proto, m.Port} }

// commonPorts returns the ports that several policies name.
func commonPorts(contributions []*contribution, d ruleset.Direction) map[port]bool {
	seen, common := map[port]bool{}, map[port]bool{}
	for _, c := range contributions {
		for _, m := range c.portLookup(d).jumps {
			if seen[portOf(m)] {
				common[portOf(m)] = true
			}
			seen[portOf(m)] = true
		}
	}
	return common
}

// addEachPort adds a rule once for each of its ports that is wanted.
func (x *mergedRules) addEachPort(rule ruleset.Rule, from *contribution, wanted func(port) bool) {
	for _, ports := range rule.Ports {
		for number := int(ports.First); number <= int(ports.Last); number++ {
			if wanted(port{rule.Proto, uint16(number)}) {
				one := ruleset.PortRange{First: uint16(number), Last: uint16(number)}
				rule.Ports = []ruleset.PortRange{one}
				x.add(rule, from)
			}
		}
	}
}

// addPeerChains adds the chains of the peers that merged rules allow. Each of the rules
// is for one port, or one range of ports; all ports with the same peers share a chain.
// It returns the members of the map that leads there.
func (b *builder) addPeerChains(merged mergedRules) (jumps []ruleset.Member) {
	slices.SortStableFunc(merged.list, comparePorts)
	rules, made := b.rulesOf(merged), map[string]ruleset.ChainID{}
	for len(rules) > 0 {
		n := 1
		for n < len(rules) && samePort(rules[n], rules[0]) {
			n++
		}
		slices.SortFunc(rules[:n], comparePeers)
		jumps = append(jumps, b.jump(made, rules[:n]))
		rules = rules[n:]
	}
	return jumps
}

// comparePorts orders rules with one port, or one range of ports, each.
func comparePorts(x, y *mergedRule) int {
	return cmp.Or(cmp.Compare(x.proto, y.proto), cmp.Compare(x.ports[0].First, y.ports[0].First))
}

// comparePeers orders rules by peer, so that ports with the same peers get the same
// chain.
func comparePeers(x, y ruleset.Rule) int { return x.Peer.Compare(y.Peer) }

// samePort reports whether two rules with one port, or one range of ports, each have
// the same.
func samePort(x, y ruleset.Rule) bool {
	return x.Proto == y.Proto && x.Ports[0] == y.Ports[0]
}

// jump returns the map's member for the one port, or range of ports, that all of these
// rules have. made holds the chains that were made before, by their peers.
func (b *builder) jump(made map[string]ruleset.ChainID, rules []ruleset.Rule) ruleset.Member {
	origins := rules[0].Origins
	for _, r := range rules[1:] {
		// The capacity is cut so that the first rule's own list is not written to.
		origins = append(origins[:len(origins):len(origins)], r.Origins...)
	}
	slices.SortFunc(origins, ruleset.Origin.Compare)
	m := ruleset.Member{
		Proto: rules[0].Proto, Port: rules[0].Ports[0].First, Chain: b.peerChain(made, rules),
		Reason: ruleset.ReasonOf(slices.Compact(origins)),
	}
	if last := rules[0].Ports[0].Last; last > m.Port {
		m.LastPort = last
	}
	return m
}

// peerChain returns the chain that allows the peers of these rules on any port; it may
// be new.
func (b *builder) peerChain(made map[string]ruleset.ChainID, rules []ruleset.Rule) ruleset.ChainID {
	identity := make([]byte, 0, 100)
	for _, r := range rules {
		identity = append(append(identity, peerText(r)...), '\n')
	}
	if id, exists := made[string(identity)]; exists {
		return id
	}
	c := ruleset.Chain{
		ID:        ruleset.NewPeersID(b.direction, string(identity)),
		Direction: b.direction, End: ruleset.EndGoBack,
	}
	for _, r := range rules {
		c.Steps = append(c.Steps, ruleset.Rule{Peer: r.Peer, Action: r.Action})
	}
	b.addShared(c)
	made[string(identity)] = c.ID
	return c.ID
}

// peerText says what a rule does with a peer on any port: the text of most is that of the peer.
func peerText(r ruleset.Rule) string {
	if r.Action == ruleset.Accept {
		return r.Peer.String()
	}
	return r.Action.String() + " " + r.Peer.String()
}

// takeChain adds a chain that a contribution has made, and the sources of the sets that
// it uses.
func (b *builder) takeChain(c ruleset.Chain, sources map[ruleset.SetID]SetSource) {
	if !b.addShared(c) {
		return
	}
	for r := range c.Rules() {
		if r.Peer.HasSet() {
			b.inSet(sources[r.Peer.Set], r.Action)
		}
	}
}

// addShared adds a chain that ports lead to, and reports whether it was not there
// before.
func (b *builder) addShared(c ruleset.Chain) (isNew bool) {
	if b.hasShared[c.ID] {
		return false
	}
	if b.hasShared == nil {
		b.hasShared = map[ruleset.ChainID]bool{}
	}
	b.hasShared[c.ID] = true
	b.leadsTo = b.leadsTo.Union(c.Actions())
	b.shared = append(b.shared, c)
	return true
}
