package compile

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Judgement is everything by which a pod is judged in one direction.
type Judgement struct {
	Chain   ruleset.Chain
	Shared  []ruleset.Chain // that it leads to; judgements of other pods may have the same
	Sources []SetSource     // of the sets that all of them speak of
}

// assemble puts together what policies contribute.
func assemble(p policy.Pod, d ruleset.Direction, parts []*part, form Form) assembly {
	a := newAssembly(p, d)
	if !a.readable(parts, form) {
		a.merge(parts, form)
	}
	return a
}

// readable takes all rules, as they are, unless they are too many.
func (a *assembly) readable(parts []*part, form Form) bool {
	for _, x := range parts {
		for _, rule := range x.rules {
			a.add(rule, x)
			if form.merges(len(a.rules)) {
				return false
			}
		}
	}
	a.sortOrigins()
	return true
}

// judgement makes the pod's own of what is assembled, which stays as it is.
func (a assembly) judgement(p policy.Pod, form Form, crew func() Crew) Judgement {
	a.pod, a.rules, a.sources, a.shared = p, slices.Clip(a.rules), slices.Clip(a.sources), slices.Clip(a.shared)
	own := ruleset.Chain{ID: ruleset.NewChainID(a.direction, p.Namespace, p.Name), Direction: a.direction, Subject: p.String(), Denial: form.Denial}
	if len(a.jumps)+len(a.spans) > 0 {
		own.Onward = a.lookUpWith(&own, crew())
	}
	a.itself()
	own.Rules = a.rules
	return Judgement{own, a.shared, a.sources}
}

// lookUpWith has the pod's own chain look ports up or, where other pods are judged alike, one that they share. It
// returns that one.
func (a *assembly) lookUpWith(own *ruleset.Chain, crew Crew) ruleset.ChainID {
	if crew.ID == "" {
		a.ports(own, own.Subject)
		return ""
	}
	shared := ruleset.Chain{ID: crew.ID, Direction: a.direction, Rules: a.rules, Denial: ruleset.GoBack}
	a.ports(&shared, crew.Name)
	a.shared = append(a.shared, shared)
	a.rules = nil
	return crew.ID
}

// ports has a chain look ports up.
func (a *assembly) ports(c *ruleset.Chain, whose string) {
	if c.ByPort = len(a.jumps) > 0; c.ByPort {
		a.sources = append(a.sources, SetSource{ID: ruleset.PortsOf(c.ID), Comment: "ports of " + whose, Jumps: a.jumps})
	}
	for _, spans := range a.spans {
		a.sources = append(a.sources, spans)
		c.Spans = append(c.Spans, spans.ID)
	}
}

// assembly is a chain in the making.
type assembly struct {
	pod       policy.Pod
	direction ruleset.Direction
	origin    []ruleset.Origin // of the rule that is being assembled
	rules     []ruleset.Rule
	mixed     bool               // rules may have origins that are not in order
	same      map[permission]int // its place in rules
	sources   []SetSource
	known     map[ruleset.SetID]bool   // what sources holds
	led       map[ruleset.ChainID]bool // what shared holds
	jumps     []ruleset.Member         // of its PortMap
	spans     []SetSource              // of its PortRanges, one a protocol
	endless   bool                     // it would be too much work; there are no rules
	shared    []ruleset.Chain          // where they lead, and what is shared besides
}

func newAssembly(p policy.Pod, d ruleset.Direction) assembly {
	return assembly{pod: p, direction: d, same: map[permission]int{}, known: map[ruleset.SetID]bool{}}
}

// permission is what a rule allows, in a form that can be compared.
type permission struct {
	peer  ruleset.Peer
	proto ruleset.Protocol
	ports portsID
}

// portsID is a list of ranges that can be compared.
type portsID struct {
	first ruleset.PortRange
	all   string // of more than one
	any   bool   // none
}

func idOf(ports []ruleset.PortRange) portsID {
	switch len(ports) {
	case 0:
		return portsID{any: true}
	case 1:
		return portsID{first: ports[0]}
	default:
		return portsID{all: fmt.Sprint(ports)}
	}
}

func (a *assembly) rule(r policy.Rule) {
	carried := a.carried(r)
	if len(carried) > 0 {
		for _, peer := range a.peers(r) {
			for _, ports := range carried {
				a.allow(peer, ports)
			}
		}
	}
	if a.direction == ruleset.Egress {
		a.namedPeers(r)
	}
}

// carried says which protocols and ports a rule lets pass. Names mean the subject's own ports on ingress;
// on egress they are the peers' and not dealt with here.
func (a *assembly) carried(r policy.Rule) []policy.Ports {
	if r.AnyPort {
		return []policy.Ports{{Proto: ruleset.AnyProtocol}}
	}
	ports := slices.Clone(r.Ports)
	if a.direction == ruleset.Ingress {
		for _, name := range r.Names {
			for _, number := range a.pod.PortNumbers(name) {
				ports = policy.AddPorts(ports, name.Proto, []ruleset.PortRange{{First: number, Last: number}})
			}
		}
	}
	slices.SortFunc(ports, func(x, y policy.Ports) int { return int(x.Proto) - int(y.Proto) })
	return ports
}

// peers turns the peers of a rule into those of the kernel, in the families that the pod has.
func (a *assembly) peers(r policy.Rule) []ruleset.Peer {
	if r.AnyPeer {
		return []ruleset.Peer{{}}
	}
	var peers []ruleset.Peer
	for _, family := range a.pod.Families() {
		for _, selector := range r.Pods {
			peers = append(peers, a.inSet(podSet(selector, family)))
		}
		peers = a.appendBlocks(peers, policy.OfFamily(r.Blocks, family), family)
	}
	return peers
}

// appendBlocks adds peers for ranges of one family: as a prefix where they are one, else as a set.
func (a *assembly) appendBlocks(peers []ruleset.Peer, ranges []ruleset.Range, family ruleset.Family) []ruleset.Peer {
	if len(ranges) == 0 {
		return peers
	}
	if prefix, ok := ranges[0].Prefix(); ok && len(ranges) == 1 {
		return append(peers, ruleset.InPrefix(prefix))
	}
	return append(peers, a.inSet(blockSet(ranges, family)))
}

// namedPeers allows what a name on egress means: for each peer pod the ports that it calls so.
func (a *assembly) namedPeers(r policy.Rule) {
	selectors := r.Pods
	if r.AnyPeer {
		selectors = []*policy.Selector{policy.EveryPod()}
	}
	for _, family := range a.pod.Families() {
		for _, selector := range selectors {
			for _, name := range r.Names {
				a.allow(a.inSet(namedSet(selector, name, family)), policy.Ports{Proto: ruleset.AnyProtocol})
			}
		}
	}
}

// itself lets a pod reach itself, also through a Service.
func (a *assembly) itself() {
	for _, addr := range a.pod.Addrs {
		own := ruleset.Rule{Peer: ruleset.InPrefix(netip.PrefixFrom(addr, addr.BitLen())), Origins: []ruleset.Origin{{}}}
		at := slices.IndexFunc(a.rules, own.Same)
		if at < 0 {
			a.rules = append(a.rules, own)
			continue
		}
		a.rules = slices.Clone(a.rules)
		a.rules[at].Origins = append(own.Origins, a.rules[at].Origins...) // sorted: no policy has an empty name
	}
}

func (a *assembly) allow(peer ruleset.Peer, ports policy.Ports) {
	a.put(ruleset.Rule{Peer: peer, Proto: ports.Proto, Ports: ports.Ranges, Origins: a.origin})
}

// add takes a rule of a part over, and the set that it speaks of.
func (a *assembly) add(rule ruleset.Rule, from *part) {
	if rule.Peer.HasSet() {
		a.inSet(*from.sources[rule.Peer.Set])
	}
	rule.Origins = slices.Clip(rule.Origins)
	a.put(rule)
}

// put adds a rule, or only its origins where an equal rule is there.
func (a *assembly) put(rule ruleset.Rule) {
	allowed := permission{peer: rule.Peer, proto: rule.Proto, ports: idOf(rule.Ports)}
	at, exists := a.same[allowed]
	if !exists {
		a.same[allowed] = len(a.rules)
		a.rules = append(a.rules, rule)
		return
	}
	a.rules[at].Origins = append(a.rules[at].Origins, rule.Origins...)
	a.mixed = true
}

// sortOrigins brings the origins of rules in order that several had. It does so once: a policy can say the same a
// hundred thousand times.
func (a *assembly) sortOrigins() {
	for i := range a.rules {
		if origins := a.rules[i].Origins; a.mixed && len(origins) > 1 {
			slices.SortFunc(origins, ruleset.Origin.Compare)
			a.rules[i].Origins = slices.Clip(slices.Compact(origins))
		}
	}
}

func (a *assembly) inSet(source SetSource) ruleset.Peer {
	if !a.known[source.ID] {
		a.known[source.ID] = true
		a.sources = append(a.sources, source)
	}
	return ruleset.InSet(source.ID)
}
