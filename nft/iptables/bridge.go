package iptables

import (
	"fmt"
	"net/netip"

	"github.com/picket-project/picket/nft/iptables/ebtables"
	"github.com/picket-project/picket/ruleset"
)

// Below the network layer ebtables keeps pods apart that share a bridge, where the kernel has it:
//
//	nat PREROUTING ─► picket-sender: tag of VLAN 0, another port's MAC address, or ARP of
//	                  another's address, from a port whose pod is known? drop
//	filter FORWARD ─► picket-receiver: a closed port? drop all but ARP and neighbour discovery;
//	                  tagged, or no IPv4, IPv6 or ARP, to an isolated port or from a bound
//	                  one? drop
//	filter OUTPUT ──► picket-outgoing: port and destination a pod's own? return; for another's
//	                  address, by a port whose pod is known? drop
//
// It is what the table bridge picket of nftables holds, but for what the fence asks: packets of
// IPv4 and IPv6 that go from port to port. There are no sets of ports or prefixes, so addresses are
// found by their last bits.
const (
	senderChain   = ownPrefix + "sender"
	fromPorts     = ownPrefix + "from-ports"
	macsChain     = ownPrefix + "macs"
	arpChain      = ownPrefix + "arp"
	receiverChain = ownPrefix + "receiver"
	outgoingChain = ownPrefix + "outgoing"
	toPortsChain  = ownPrefix + "to-ports"
	takenChain    = ownPrefix + "taken"
)

// bridgeBranches is how many chains ports are spread over by the last bits of their addresses.
const bridgeBranches = 8

// etherTypes are those of packets.
var etherTypes = map[ruleset.Family]uint16{ruleset.IPv4: ebtables.IPv4, ruleset.IPv6: ebtables.IPv6}

// groupBit is set in the MAC addresses of groups (IEEE 802).
var groupBit = [6]byte{1}

// lastBits are those of a MAC address that say in which branch it is.
var lastBits = [6]byte{5: bridgeBranches - 1}

// bridgeLayouts returns what a segment needs in the tables of ebtables; no chains where it needs
// none.
func bridgeLayouts(s ruleset.Segment) []ebtables.Layout {
	nat, filter := ebtables.Layout{Table: "nat"}, ebtables.Layout{Table: "filter"}
	known := portsThat(s, ruleset.Port.Known)
	if len(known) > 0 {
		nat.Chains = senderChains(s, known)
		nat.Hooks = []ebtables.Hook{{Base: "PREROUTING", Chain: senderChain}}
	}
	if rules := receiverRules(s); len(rules) > 0 {
		filter.Chains = []ebtables.Chain{{Name: receiverChain, Rules: rules}}
		filter.Hooks = []ebtables.Hook{{Base: "FORWARD", Chain: receiverChain}}
	}
	if len(known) > 0 {
		filter.Chains = append(filter.Chains, outgoingChains(s, known)...)
		filter.Hooks = append(filter.Hooks, ebtables.Hook{Base: "OUTPUT", Chain: outgoingChain})
	}
	return []ebtables.Layout{nat, filter}
}

// portsThat lists ports by what they are.
func portsThat(s ruleset.Segment, are func(ruleset.Port) bool) (links []string) {
	for _, p := range s.Ports {
		if are(p) {
			links = append(links, p.Link)
		}
	}
	return links
}

// each makes a rule for each port.
func each(links []string, term func(string) ebtables.Term, to string) (rules []ebtables.Rule) {
	for _, link := range links {
		rules = append(rules, ebtables.NewRule(to, term(link)))
	}
	return rules
}

// senderChains decide about what comes from ports, before the bridge learns where a MAC address is.
func senderChains(s ruleset.Segment, known []string) []ebtables.Chain {
	sender := []ebtables.Rule{
		ebtables.NewRule(fromPorts, ebtables.Protocol(ebtables.TaggedFrame), ebtables.VLAN(0))}
	forks, macs := macChains(s.Ports)
	sender = append(append(sender, forks...),
		ebtables.NewRule(arpChain, ebtables.Protocol(ebtables.ARP)))
	chains := []ebtables.Chain{{Name: senderChain, Rules: sender},
		{Name: fromPorts, Rules: each(known, ebtables.In, ebtables.Drop)}}
	return append(append(chains, macs...), ebtables.Chain{Name: arpChain, Rules: arpRules(s)})
}

// macChains let pass what has the MAC address of the pod behind its port, or of no pod.
// forks lead to them by the last bits.
func macChains(ports []ruleset.Port) (forks []ebtables.Rule, chains []ebtables.Chain) {
	own, others := [bridgeBranches][]ebtables.Rule{}, [bridgeBranches][]ebtables.Rule{}
	for _, p := range ports {
		if p.MAC == (ruleset.MAC{}) {
			continue
		}
		at, is := p.MAC[5]%bridgeBranches, ebtables.SourceMAC(p.MAC, ebtables.AllMAC)
		own[at] = append(own[at], ebtables.NewRule(ebtables.Return, is, ebtables.In(p.Link)))
		others[at] = append(others[at], ebtables.NewRule(fromPorts, is))
	}
	for at := range own {
		if len(own[at]) == 0 {
			continue
		}
		c := ebtables.Chain{Name: fmt.Sprintf("%s-%d", macsChain, at),
			Rules: append(own[at], others[at]...)}
		forks = append(forks, ebtables.NewRule(c.Name,
			ebtables.SourceMAC([6]byte{5: byte(at)}, lastBits)))
		chains = append(chains, c)
	}
	return forks, chains
}

// arpRules let a sender of ARP say that it has the addresses of the pod behind its port, or those
// of nobody.
func arpRules(s ruleset.Segment) (rules []ebtables.Rule) {
	arp := ebtables.Protocol(ebtables.ARP)
	for _, p := range s.Ports {
		for _, a := range p.Addrs {
			if a.Is4() {
				rules = append(rules, ebtables.NewRule(ebtables.Return, arp, ebtables.In(p.Link),
					ebtables.ARPSender(single(a))))
			}
		}
	}
	for _, p := range takenPrefixes(s, ruleset.IPv4) {
		rules = append(rules, ebtables.NewRule(fromPorts, arp, ebtables.ARPSender(p)))
	}
	return rules
}

// takenPrefixes are the addresses of pods and nodes.
func takenPrefixes(s ruleset.Segment, f ruleset.Family) (list []netip.Prefix) {
	for _, r := range s.Taken {
		if ruleset.FamilyOf(r.First) == f {
			list = append(list, prefixes(r)...)
		}
	}
	return list
}

// receiverRules decide about what goes from port to port.
func receiverRules(s ruleset.Segment) (rules []ebtables.Rule) {
	arp, ip6 := ebtables.Protocol(ebtables.ARP), ebtables.Protocol(ebtables.IPv6)
	if closed := portsThat(s, func(p ruleset.Port) bool { return p.Closed }); len(closed) > 0 {
		rules = append(rules, ebtables.NewRule(ebtables.Return, arp),
			ebtables.NewRule(ebtables.Return, ip6, ebtables.ICMPv6(135)),
			ebtables.NewRule(ebtables.Return, ip6, ebtables.ICMPv6(136)))
		rules = append(rules, each(closed, ebtables.In, ebtables.Drop)...)
		rules = append(rules, each(closed, ebtables.Out, ebtables.Drop)...)
	}
	isolated := portsThat(s, func(p ruleset.Port) bool { return p.Isolated })
	bound := portsThat(s, func(p ruleset.Port) bool { return p.Bound })
	strange := append(each(isolated, ebtables.Out, ebtables.Drop),
		each(bound, ebtables.In, ebtables.Drop)...)
	if len(strange) > 0 {
		rules = append(rules, ebtables.NewRule(ebtables.Return, ebtables.Protocol(ebtables.IPv4)),
			ebtables.NewRule(ebtables.Return, ip6), ebtables.NewRule(ebtables.Return, arp))
	}
	return append(rules, strange...)
}

// outgoingChains let the node send to addresses of pods by those pods' ports only, but to groups.
func outgoingChains(s ruleset.Segment, known []string) []ebtables.Chain {
	var chains []ebtables.Chain
	outgoing := []ebtables.Rule{ebtables.NewRule(ebtables.Return,
		ebtables.DestinationMAC(groupBit, groupBit))}
	for _, f := range ruleset.Families {
		taken := takenPrefixes(s, f)
		if len(taken) == 0 {
			continue
		}
		root := ofFamily(outgoingChain, f)
		protocol := ebtables.Protocol(etherTypes[f])
		outgoing = append(outgoing, ebtables.NewRule(root, protocol))
		var drops []ebtables.Rule
		for _, p := range taken {
			drops = append(drops,
				ebtables.NewRule(ebtables.Drop, protocol, ebtables.Destination(p)))
		}
		chains = append(append(chains, deliveryChains(root, f, s.Ports)...),
			ebtables.Chain{Name: ofFamily(toPortsChain, f),
				Rules: each(known, ebtables.Out, ofFamily(takenChain, f))},
			ebtables.Chain{Name: ofFamily(takenChain, f), Rules: drops})
	}
	return append([]ebtables.Chain{{Name: outgoingChain, Rules: outgoing}}, chains...)
}

// ofFamily names the chain of one family.
func ofFamily(chain string, f ruleset.Family) string { return fmt.Sprintf("%s%d", chain, f) }

// deliveryChains let pass what goes to an address by the port of its pod. All else is led on, from
// within each branch: what returns from one has passed.
func deliveryChains(root string, f ruleset.Family, ports []ruleset.Port) (chains []ebtables.Chain) {
	protocol, others := ebtables.Protocol(etherTypes[f]), ofFamily(toPortsChain, f)
	branches := [bridgeBranches][]ebtables.Rule{}
	for _, p := range ports {
		for _, a := range p.Addrs {
			if ruleset.FamilyOf(a) == f {
				at := lastByte(a) % bridgeBranches
				branches[at] = append(branches[at], ebtables.NewRule(ebtables.Return, protocol,
					ebtables.Out(p.Link), ebtables.Destination(single(a))))
			}
		}
	}
	var forks []ebtables.Rule
	for at, rules := range branches {
		to := others
		if len(rules) > 0 {
			to = fmt.Sprintf("%s-%d", root, at)
			chains = append(chains, ebtables.Chain{Name: to,
				Rules: append(rules, ebtables.NewRule(others))})
		}
		forks = append(forks, ebtables.NewRule(to, protocol, ebtables.DestinationBits(
			onlyLast(f, byte(at)), onlyLast(f, bridgeBranches-1))))
	}
	return append([]ebtables.Chain{{Name: root, Rules: forks}}, chains...)
}

// lastByte is that of an address.
func lastByte(a netip.Addr) byte {
	bytes := a.AsSlice()
	return bytes[len(bytes)-1]
}

// onlyLast is the address of which all other bytes are zero.
func onlyLast(f ruleset.Family, last byte) netip.Addr {
	bytes := make([]byte, f.Bits()/8)
	bytes[len(bytes)-1] = last
	a, _ := netip.AddrFromSlice(bytes)
	return a
}
