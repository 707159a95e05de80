package iptables

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// Where pods share a bridge, a packet that is forwarded tells by which port of the bridge it came.
// What says that it is from a pod must have come by that pod's port:
//
//	picket-ports    tree over the sources that are behind ports: by its own port? return
//	                ├─ by another one ─► picket-ports-known: from a port whose pod is known? drop
//	                └─ nobody's ───────► picket-ports-other: another pod's or a node's? as above;
//	                                     from a port that only its pod may send by? drop
//	picket-delivery tree over the destinations that are behind ports: by its own port? return
//	                ├─ by another one ─► picket-delivery-known: by a port whose pod is known? drop
//	                └─ nobody's ───────► picket-delivery-other: by the port of an isolated pod? drop
//	picket-ports-closed  to another port, from or to a closed one? drop
//
// The first two are asked about every packet: that one belongs to an open connection says nothing of
// who has sent it, or gets it. That is what iptables can see of a bridge. Below the network layer
// ebtables keeps pods apart, and closes ports while br_netfilter is off, where the kernel has it
// (bridge.go). Ports stay closed for a moment after that, for packets that begin a connection: what a
// pod answers to a packet that nobody saw looks like one.
const (
	portsChain  = ownPrefix + "ports"
	closedChain = portsChain + "-closed"
	knownChain  = portsChain + "-known"
	otherChain  = portsChain + "-other"

	deliveryChain = ownPrefix + "delivery"
	mistakenChain = deliveryChain + "-known"
	nobodysChain  = deliveryChain + "-other"
)

// takenSet names the set of the addresses of pods and nodes.
func takenSet(f ruleset.Family) string { return fmt.Sprintf("%staken%d", ownPrefix, f) }

// fence is what is known of the bridges that pods share. An agent that starts keeps what it finds.
type fence struct {
	segment ruleset.Segment // beside kept: Routers alone
	kept    map[ruleset.Family]chains
	taken   map[ruleset.Family]elements // of kept
}

// active reports whether there is a fence.
func (x fence) active() bool { return x.kept != nil || !x.segment.Empty() }

// isFence reports whether a chain is of the fence.
func isFence(chain string) bool {
	return slices.ContainsFunc(portTrees, func(t portTree) bool {
		return strings.HasPrefix(chain, t.root) || strings.HasPrefix(chain, t.branches)
	})
}

// readFence keeps the fence of a kernel.
func readFence(k kernel) fence {
	x := fence{kept: map[ruleset.Family]chains{}, taken: map[ruleset.Family]elements{}}
	for _, f := range ruleset.Families {
		x.kept[f], x.taken[f] = chains{}, elements{}
		for e := range k.sets[takenSet(f)].elements {
			x.taken[f][e.key()] = true // what somebody has turned off is on again
		}
		for name, rules := range k.tables[f][mainTable].chains {
			if isFence(name) {
				x.kept[f][name] = withoutClosed(rules)
			}
		}
		if len(x.kept[f]) == 0 {
			return fence{}
		}
	}
	x.segment.Routers = readRouters(k)
	return x
}

// toClosed leads what goes from port to port to the closed ones.
func toClosed() string { return rule(bridged, jump(closedChain)) }

// withoutClosed leaves that out of a chain: an older version had it in portsChain, which was not asked
// about open connections then.
func withoutClosed(rules []string) []string {
	return slices.DeleteFunc(slices.Clone(rules), func(r string) bool { return r == toClosed() })
}

// readRouters reads by which ports of bridges the rules of both families let routers speak.
func readRouters(k kernel) (links []string) {
	others := k.tables[ruleset.IPv6][mainTable].chains[fromPodsChain]
	for _, r := range k.tables[ruleset.IPv4][mainTable].chains[fromPodsChain] {
		link, _, _ := strings.Cut(strings.TrimPrefix(r, fromPort("")), " ")
		if r == fromRouter(link) && slices.Contains(others, r) {
			links = append(links, link)
		}
	}
	return links
}

// sets returns the sets of a family.
func (x fence) sets(f ruleset.Family) map[string]ipset {
	if !x.active() {
		return nil
	}
	taken := ipset{setType{"hash:net", f}, elements{}}
	maps.Copy(taken.elements, x.taken[f])
	for _, r := range x.segment.Taken {
		if ruleset.FamilyOf(r.First) == f {
			for _, p := range prefixes(r) {
				taken.elements[prefixElement(p)] = true
			}
		}
	}
	return map[string]ipset{takenSet(f): taken}
}

// cameByPort leads what came by a port of a bridge to the fence.
const cameByPort = "-m physdev --physdev-is-in -j " + portsChain

// closes reports whether the fence of a family has closed ports.
func (x fence) closes(f ruleset.Family) bool {
	return len(x.kept[f][closedChain]) > 0 ||
		slices.ContainsFunc(x.segment.Ports, func(p ruleset.Port) bool { return p.Closed })
}

// fenceForward leads what is forwarded to the fence, by where it came from and by where it goes.
func (x *frame) fenceForward() []string {
	if !x.content.fence.active() {
		return nil
	}
	return []string{cameByPort, rule(bridged, jump(deliveryChain))}
}

// fenceClosed leads what begins a connection to the closed ports, where there are any.
func (x *frame) fenceClosed() []string {
	if !x.content.fence.closes(x.family) {
		return nil
	}
	return []string{toClosed()}
}

// fenceChains makes the chains of the fence.
func (x *frame) fenceChains() {
	at := x.content.fence
	if !at.active() {
		return
	}
	x.made[deliveryChain] = nil // an older version had none
	if at.kept != nil {
		maps.Copy(x.made, at.kept[x.family])
		return
	}
	owners := map[netip.Addr]string{}
	closed, known, mistaken, nobodys := []string{}, []string{}, []string{}, []string{}
	other := []string{rule(inSet(takenSet(x.family), source.word()), comment("another's address"),
		goTo(knownChain))}
	for _, p := range at.segment.Ports {
		for _, a := range p.Addrs {
			if ruleset.FamilyOf(a) == x.family {
				owners[a] = p.Link
			}
		}
		if p.Closed {
			closed = append(closed, rule(fromPort(p.Link), toDrop), rule(toPort(p.Link), toDrop))
		}
		if p.Known() {
			known = append(known, rule(fromPort(p.Link), toDrop))
			mistaken = append(mistaken, rule(toPort(p.Link), comment("for another"), toDrop))
		}
		if p.Isolated {
			nobodys = append(nobodys, rule(toPort(p.Link), comment("not sent to its address"), toDrop))
		}
		if p.Bound {
			other = append(other, rule(fromPort(p.Link), comment("not its address"), toDrop))
		}
	}
	x.made[knownChain], x.made[otherChain] = known, other
	x.made[mistakenChain], x.made[nobodysChain] = mistaken, nobodys
	for _, t := range portTrees {
		maps.Copy(x.made, t.chains(x.family, owners))
	}
	if len(closed) > 0 {
		x.made[closedChain] = closed
	}
}

// KeepsRouters says that the rules for all interfaces of pods are needed on shared bridges, too.
func (b *Backend) KeepsRouters() bool { return false }

// unbound are sources that are nobody's own: of neighbour discovery, and of who has no address yet.
var unbound = map[ruleset.Family][]string{
	ruleset.IPv4: {"0.0.0.0/32"}, ruleset.IPv6: {"fe80::/10", "::/128"},
}

// fenceInput leads what pods send to their own node to the fence: a proxy of the node, such as IPVS,
// can pass it on with its source.
func (x *frame) fenceInput() (rules []string) {
	if !x.content.fence.active() {
		return nil
	}
	rules = []string{rule(toGroup, "-m addrtype --dst-type LOCAL",
		comment("no IP goes to the groups of bridges"), toDrop)}
	for _, source := range unbound[x.family] {
		rules = append(rules, rule("-s "+source, toReturn))
	}
	return append(rules, cameByPort)
}

// toGroup matches what came in a frame to a group. The kernel hands one to a group that bridges keep to
// themselves up as if its port were of no bridge; which group it was is not to be seen here.
const toGroup = "-m pkttype --pkt-type multicast"

// fromRouters lets pass what came by a port of a bridge that no pod is behind.
func (x *frame) fromRouters() (rules []string) {
	for _, link := range x.content.fence.segment.Routers {
		rules = append(rules, fromRouter(link))
	}
	return rules
}

// fromRouter lets pass what came by one port.
func fromRouter(link string) string {
	return rule(fromPort(link), comment("no pod is behind it"), toReturn)
}

// fromPort matches the port of a bridge by which a packet came.
func fromPort(link string) string { return "-m physdev --physdev-in " + link }

// bridged matches what a bridge passes from port to port.
const bridged = "-m physdev --physdev-is-bridged"

// toPort matches the port by which a packet leaves a bridge that it only passes.
func toPort(link string) string { return "-m physdev --physdev-out " + link + " --physdev-is-bridged" }

// portTree is how an address of a packet finds its port.
type portTree struct {
	end                       // of the packet
	root, known, other string // chains: where it begins, for another's port, and for nobody's address
	branches           string // the prefix of the other chains
	byPort             func(link string) string
}

// portTrees are those of both ends.
var portTrees = []portTree{
	{source, portsChain, knownChain, otherChain, ownPrefix + "p-", fromPort},
	{destination, deliveryChain, mistakenChain, nobodysChain, ownPrefix + "d-", toPort},
}

// chains makes the chains of the tree over the addresses behind ports.
func (t portTree) chains(f ruleset.Family, owners map[netip.Addr]string) chains {
	b := branching{family: f, end: t.end, made: chains{}, last: goTo(t.other),
		name: func(bits string) string {
			return t.branches + ruleset.Digest(bits)[:maxChain-len(t.branches)]
		},
		leaf: func(a netip.Addr) []string {
			own := address(single(a), t.end)
			return []string{rule(own, t.byPort(owners[a]), toReturn), rule(own, goTo(t.known))}
		}}
	b.branch(t.root, "", sortedAddrs(owners))
	return b.made
}
