package compile

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// addRule adds what one rule of a policy allows: its peers, each with its ports.
func (b *builder) addRule(r policy.Rule) {
	allowed := b.allowedPorts(r)
	if len(allowed) > 0 {
		for _, peer := range b.peers(r) {
			for _, ports := range allowed {
				b.allow(peer, ports)
			}
		}
	}
	if b.direction == ruleset.Egress {
		b.allowNamedPorts(r)
	}
}

// allowedPorts returns the protocols and ports that a rule allows for every peer. On
// ingress a port name means the subject's port. On egress it means the peer's, which
// allowNamedPorts adds.
func (b *builder) allowedPorts(r policy.Rule) []policy.Ports {
	if r.AnyPort {
		return []policy.Ports{{Proto: ruleset.AnyProtocol}}
	}
	ports := slices.Clone(r.Ports)
	if b.direction == ruleset.Ingress {
		ports = r.PortsOn(b.pod)
	}
	slices.SortFunc(ports, func(x, y policy.Ports) int { return int(x.Proto) - int(y.Proto) })
	return ports
}

// peers returns the peers of a rule, in the families that the subject has.
func (b *builder) peers(r policy.Rule) []ruleset.Peer {
	if r.AnyPeer {
		return []ruleset.Peer{{}}
	}
	var peers []ruleset.Peer
	for _, family := range b.pod.Families() {
		for _, selector := range r.Pods {
			peers = append(peers, b.inSet(podSet(selector, family), ruleset.Accept))
		}
		if blocks := policy.OfFamily(r.Blocks, family); len(blocks) > 0 {
			peers = append(peers, b.inRanges(blocks, ruleset.Accept))
		}
	}
	return peers
}

// inRanges returns the peer for ranges of one family in a rule with that action: a prefix where they
// are one, else a set.
func (b *builder) inRanges(ranges []ruleset.Range, action ruleset.Action) ruleset.Peer {
	if prefix, ok := ranges[0].Prefix(); ok && len(ranges) == 1 {
		return ruleset.InPrefix(prefix)
	}
	return b.inSet(rangeSet(ranges, ruleset.FamilyOf(ranges[0].First)), action)
}

// allowNamedPorts allows what port names on egress mean: for each peer pod the port
// that it calls so itself.
func (b *builder) allowNamedPorts(r policy.Rule) {
	for _, family := range b.pod.Families() {
		for _, selector := range r.PeerPods() {
			for _, name := range r.Names {
				peer := b.inSet(namedPortSet(selector, name, family), ruleset.Accept)
				b.allow(peer, policy.Ports{Proto: ruleset.AnyProtocol})
			}
		}
	}
}

// withItself returns the steps, and those by which the pod reaches itself, which it also does
// through a Service.
func (b *builder) withItself() ruleset.Steps {
	steps := append(make(ruleset.Steps, 0, len(b.steps)+len(b.pod.Addrs)), b.steps...)
	for _, addr := range b.pod.Addrs {
		itself := ruleset.Rule{
			Peer:    ruleset.InPrefix(netip.PrefixFrom(addr, addr.BitLen())),
			Origins: []ruleset.Origin{{}},
		}
		at := slices.IndexFunc(steps, func(s ruleset.Step) bool {
			rule, is := s.(ruleset.Rule)
			return is && itself.Same(rule)
		})
		if at < 0 {
			steps = append(steps, itself)
			continue
		}
		// The result is sorted, since no policy has an empty name.
		itself.Origins = append(itself.Origins, steps[at].(ruleset.Rule).Origins...)
		steps[at] = itself
	}
	return steps
}

// allow adds a rule of the policy at hand.
func (b *builder) allow(peer ruleset.Peer, ports policy.Ports) {
	rule := ruleset.Rule{Peer: peer, Proto: ports.Proto, Ports: ports.Ranges, Origins: b.origin}
	b.put(rule)
}

// take adds a rule of a contribution, and the source of the set that it uses.
func (b *builder) take(rule ruleset.Rule, from *contribution) {
	if rule.Peer.HasSet() {
		b.inSet(*from.sources[rule.Peer.Set], rule.Action)
	}
	rule.Origins = slices.Clip(rule.Origins)
	b.put(rule)
}

// put adds a rule. Where there is one that does the same with the same packets, it only
// adds the origins to that one: this is the first that they meet.
func (b *builder) put(rule ruleset.Rule) {
	same := match{rule.Peer, rule.Proto, portsIDOf(rule.Ports), rule.Action}
	at, exists := b.places[same]
	if !exists {
		b.places[same] = len(b.rules)
		b.rules = append(b.rules, rule)
		return
	}
	b.rules[at].Origins = append(b.rules[at].Origins, rule.Origins...)
	b.unsorted = true
}

// sortOrigins sorts the origins of rules that have several. It does so once, at the
// end: one policy can say the same a hundred thousand times.
func (b *builder) sortOrigins() {
	for i := range b.rules {
		if origins := b.rules[i].Origins; b.unsorted && len(origins) > 1 {
			slices.SortFunc(origins, ruleset.Origin.Compare)
			b.rules[i].Origins = slices.Clip(slices.Compact(origins))
		}
	}
}

// inSet returns the peer for a set in a rule with that action, and keeps the set's source.
func (b *builder) inSet(source SetSource, action ruleset.Action) ruleset.Peer {
	at, exists := b.sourceAt[source.ID]
	if !exists {
		at = len(b.sources)
		b.sourceAt[source.ID] = at
		source.Actions = 0
		b.sources = append(b.sources, source)
	}
	b.sources[at].Actions = b.sources[at].Actions.Union(ruleset.ActionsOf(action))
	return ruleset.InSet(source.ID)
}
