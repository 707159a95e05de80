package nft

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/nft/nflog"
	"github.com/picket-project/picket/ruleset"
)

// How denied packets are logged.
const (
	logGroup = nflog.Group
	logRate  = ruleset.LogRate // a second and chain
	logBurst = ruleset.LogBurst
)

// priority puts the base chains behind everybody's own filters (0), so that what those drop is
// not counted here, and before source translation (100).
const priority = 10

// earlyPriority is behind destination translation (-100), which says where a packet goes.
const earlyPriority = -90

// frameChain is a chain that is there whatever the program is.
type frameChain struct {
	name  string
	hook  *hook // nil: jumped to
	rules []rule
}

// hook is where a base chain meets the packets.
type hook struct {
	name     string
	number   nftables.ChainHook
	priority nftables.ChainPriority
}

// tunnelProtocols carry packets without ports: IPv4 and IPv6 in IP, GRE (IANA protocol numbers).
var tunnelProtocols = []byte{unix.IPPROTO_IPIP, unix.IPPROTO_IPV6, unix.IPPROTO_GRE}

// The ICMP messages that the frame speaks of.
var (
	redirect         = icmpType{"redirect", 5}
	routerAdvert     = icmpType{"nd-router-advert", 134}
	neighbourSolicit = icmpType{"nd-neighbor-solicit", 135}
	neighbourAdvert  = icmpType{"nd-neighbor-advert", 136}
	redirect6        = icmpType{"nd-redirect", 137}
)

// form is which of its forms the frame has.
type form struct {
	strict bool
	bridge string // the only interface that pods are behind; empty: there are several, or none
	// early: the way back to a source is looked up in prerouting, the only hook in which the kernel
	// does it (before Linux 5.17).
	early bool
}

// formOf returns the form for pods that are behind interfaces as counted. To compare with the
// name of the only one costs a tenth of looking several up. An interface with one address in a
// family is taken for one of several.
func (k Features) formOf(strict bool, behind behindCounts) form {
	links, bridge := map[string]bool{}, ""
	for at, addrs := range behind {
		if links[at.link] = true; addrs > 1 {
			bridge = at.link
		}
	}
	if len(links) != 1 {
		bridge = ""
	}
	return form{strict, bridge, !k.SourceInForward}
}

// behindCounts is how many addresses of pods are behind each interface.
type behindCounts map[behindKey]int

// behindKey is an interface and the family of the addresses behind it that are counted.
type behindKey struct {
	link   string
	family ruleset.Family
}

// countBehind counts the members of the program's sets.
func countBehind(sets []ruleset.Set) behindCounts {
	counts := behindCounts{}
	for _, s := range sets {
		counts.add(s.ID, s.Members, 1)
	}
	return counts
}

// add counts members of a set in (1) or out (-1), if they say who is behind which interface.
func (x behindCounts) add(id ruleset.SetID, members []ruleset.Member, by int) {
	if id != ruleset.Behind(id.Family) {
		return
	}
	for _, m := range members {
		at := behindKey{m.Link, id.Family}
		if x[at] += by; x[at] == 0 {
			delete(x, at)
		}
	}
}

// after returns the counts once a delta is carried out.
func (x behindCounts) after(d ruleset.Delta) behindCounts {
	next := maps.Clone(x)
	if next == nil {
		next = behindCounts{}
	}
	for _, c := range d.DelMembers {
		next.add(c.Set, c.Members, -1)
	}
	for _, c := range d.AddMembers {
		next.add(c.Set, c.Members, 1)
	}
	return next
}

// frame lists the chains that every packet meets, each before it is jumped to.
func frame(f form) []frameChain {
	chains := []frameChain{
		{"related", nil, []rule{
			newRule(isICMP(ruleset.IPv4, redirect), counter(), drop()).
				because("a redirect is no error"),
			newRule(isAnyICMP(), accept()).because("errors about what was allowed"),
			newRule(isReset(), accept()).because("the answer to what was rejected"),
		}},
		{tunnels, nil, []rule{
			newRule(isAnyOf(tunnelProtocols), counter(), drop()).because("a node would unpack it"),
			newRule(isTunnelPort(), counter(), drop()).because("a node would unpack it"),
		}},
		{arrival, nil, slices.Concat(dispatches(ruleset.Ingress), toTunnelsOfNodes(),
			[]rule{newRule(accept())})},
		{"forward6", nil, f.forwarded(ruleset.IPv6)},
		{"forward", &hook{"forward", *nftables.ChainHookForward, priority}, slices.Concat(known(),
			[]rule{newRule(isFamily(ruleset.IPv6), verdict(expr.VerdictGoto, "forward6"))},
			f.forwarded(ruleset.IPv4),
		)},
		{"output", &hook{"output", *nftables.ChainHookOutput, priority}, f.onBehalf()},
		{"input", &hook{"input", *nftables.ChainHookInput, priority}, f.toNode()},
	}
	if f.early {
		chains = append(chains, frameChain{
			"prerouting", &hook{"prerouting", *nftables.ChainHookPrerouting,
				earlyPriority}, f.onArrival(),
		})
	}
	first := &chains[0].rules[0]
	first.comment += "; layout " + ruleset.Digest(frameText(chains))
	return chains
}

// accept lets a packet pass this table; those of others see it as well.
func accept() term { return verdict(expr.VerdictAccept, "") }

// drop ends a packet without an answer to its sender.
func drop() term { return verdict(expr.VerdictDrop, "") }

// known lets pass what belongs to connections that were allowed.
func known() []rule {
	return []rule{
		newRule(ctState("established", ctEstablished), accept()).
			because("replies of what was allowed"),
		newRule(ctState("related", ctRelated), verdict(expr.VerdictJump, "related")),
	}
}

// forwarded is what a new packet of one family meets that goes through this node.
func (f form) forwarded(family ruleset.Family) []rule {
	var rules []rule
	if family == ruleset.IPv6 {
		rules = append(rules, neighbours())
	}
	rules = append(rules, noRouter(family)...)
	if family == ruleset.IPv6 {
		rules = append(rules, noLinkLocal()...)
	}
	rules = append(rules, f.ownLink(family)...)
	if f.strict {
		rules = append(rules, noUnknown(family)...)
	}
	return append(rules, dispatch(ruleset.Egress, family),
		newRule(verdict(expr.VerdictGoto, arrival)))
}

// neighbours lets neighbour discovery pass, which a router does not pass on.
func neighbours() rule {
	return newRule(isICMP(ruleset.IPv6, neighbourSolicit, neighbourAdvert), onLink(), accept()).
		because("neighbours find each other")
}

// toNode is what a packet to this node meets. What a service or a proxy there does for a pod, it does
// for the source that the packet states.
func (f form) toNode() []rule {
	rules := []rule{
		newRule(toBridgeGroup(), counter(), drop()).because("no IP goes to the groups of bridges"),
		newRule(notFromLink(linkSet), accept()).because("not from a pod of this node"),
	}
	rules = append(rules, noRouter(ruleset.IPv4)...)
	rules = append(rules, noRouter(ruleset.IPv6)...)
	// On a bridge, the table of bridges has seen to it.
	if f.bridge == "" {
		rules = append(rules, neighbours())
		for _, family := range ruleset.Families {
			rules = append(rules, f.ownLink(family)...)
		}
	}
	return append(rules, newRule(verdict(expr.VerdictJump, tunnels)))
}

// ownLink drops what says that it is from a pod of this node, and did not come in by the pod's
// interface. Where pods have interfaces of their own, what comes in by one must have a source
// that is reached by it; on a bridge, the table of bridges sees to that.
func (f form) ownLink(family ruleset.Family) []rule {
	const why = "a pod of this node sends by its own link only"
	if f.bridge != "" {
		return []rule{newRule(notFrom(f.bridge), inSet(ruleset.Bound(family), source), counter(),
			drop()).because(why)}
	}
	rules := []rule{newRule(notBehind(family), alsoInSet(ruleset.Bound(family), source), counter(),
		drop()).because(why)}
	if f.early {
		return rules
	}
	return append(rules, fromNobody(notBehind(family), fromLink(linkSet)))
}

// fromNobody is the rule for what came in by an interface that does not lead to its source.
func fromNobody(terms ...term) rule {
	return newRule(append(terms, noWayBack(), counter(), drop())...).
		because("nobody with this source is there")
}

// onArrival looks for the way back to the source of what will be forwarded or is for this node, where
// the kernel refuses to do that in forward and input.
func (f form) onArrival() []rule {
	if f.bridge != "" {
		return nil
	}
	rules := []rule{newRule(notFromLink(linkSet), accept()).because("not from a pod of this node")}
	for _, state := range []term{ctState("established", ctEstablished),
		ctState("related", ctRelated)} {
		rules = append(rules, newRule(state, accept()).because("forward decides"))
	}
	for _, family := range ruleset.Families {
		rules = append(rules, fromNobody(notBehind(family), fibUnicast(destination)))
	}
	rules = append(rules, neighbours())
	for _, family := range ruleset.Families {
		rules = append(rules, fromNobody(notBehind(family), fibLocal(destination)))
	}
	return rules
}

// onBehalf is what a packet meets that a process or IPVS of this node sends. With an address of
// the node it is the node's own; another source is somebody for whom the node forwards.
func (f form) onBehalf() []rule {
	rules := append(known(), newRule(fibLocal(source), accept()).because("the node's own"))
	rules = append(rules, newRule(fibLocal(destination), verdict(expr.VerdictJump, tunnels)),
		newRule(fibLocal(destination), accept()).because("to the node itself"))
	for _, family := range ruleset.Families {
		rules = append(rules, newRule(inSet(ruleset.NodeAddrs(family), destination),
			verdict(expr.VerdictJump, tunnels)))
		if f.strict {
			rules = append(rules, noUnknown(family)...)
		}
	}
	return slices.Concat(rules, dispatches(ruleset.Egress),
		[]rule{newRule(verdict(expr.VerdictGoto, arrival))})
}

// toTunnelsOfNodes asks about tunnels what pods of this node send to another one.
func toTunnelsOfNodes() []rule {
	var rules []rule
	for _, f := range ruleset.Families {
		rules = append(rules, newRule(inSet(ruleset.NodeAddrs(f), destination), fromLink(linkSet),
			verdict(expr.VerdictJump, tunnels)))
	}
	return rules
}

// noRouter drops what only a router may say where a pod says it (CVE-2020-10749).
func noRouter(f ruleset.Family) []rule {
	messages := []icmpType{redirect}
	if f == ruleset.IPv6 {
		messages = []icmpType{routerAdvert, redirect6}
	}
	return []rule{newRule(isICMP(f, messages...), fromLink(linkSet), counter(), drop()).
		because("a pod is no router")}
}

// noLinkLocal drops what pods of one node say to each other by IPv6 link-local addresses, with
// which a pod could pass by its policies: none of them is known to be a pod's.
func noLinkLocal() []rule {
	var rules []rule
	for _, e := range []end{source, destination} {
		terms := []term{inPrefix(linkLocal, e), fromLink(linkSet), counter(), drop()}
		rules = append(rules, newRule(terms...).because("a link-local address is no pod's"))
	}
	return rules
}

// noUnknown drops what is sent by or to an address of this node's pod range that no known pod has.
func noUnknown(f ruleset.Family) []rule {
	var rules []rule
	for _, e := range []end{source, destination} {
		terms := []term{inSet(ruleset.LocalRange(f), e), notInSet(ruleset.KnownPods(f), e),
			counter(), drop()}
		rules = append(rules, newRule(terms...).because("no pod that is known yet"))
	}
	return rules
}

// dispatches sends a packet to the chain of its subject in a direction.
func dispatches(d ruleset.Direction) []rule {
	var rules []rule
	for _, f := range ruleset.Families {
		rules = append(rules, dispatch(d, f))
	}
	return rules
}

// dispatch sends packets of one family to the chain of their subject in a direction. A subject that
// is not in the map is not isolated: its packet goes on to the next rule.
func dispatch(d ruleset.Direction, f ruleset.Family) rule {
	return newRule(dispatched(f, subjectEnd(d), mapName(d, f)))
}

// text prints the chain as the nft program does.
func (c frameChain) text() string {
	head := ""
	if c.hook != nil {
		head = fmt.Sprintf("\t\ttype filter hook %s priority %s; policy accept;\n", c.hook.name,
			c.hook.when())
	}
	return chainText(c.name, head, c.rules)
}

// when prints the priority as nft does, by the nearest of its names before it.
func (h hook) when() string {
	if h.priority >= *nftables.ChainPriorityFilter {
		return fmt.Sprintf("filter + %d", h.priority)
	}
	return fmt.Sprintf("dstnat + %d", h.priority-*nftables.ChainPriorityNATDest)
}

// frameText prints chains one after another, as the nft program does.
func frameText(chains []frameChain) string {
	var b strings.Builder
	for _, c := range chains {
		b.WriteString(c.text())
	}
	return b.String()
}

// chainText prints a chain as the nft program does. head is the line by which a base chain says
// where it meets packets; it is empty for any other chain.
func chainText(name, head string, rules []rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\tchain %s {\n%s", name, head)
	for _, r := range rules {
		fmt.Fprintf(&b, "\t\t%s\n", r.text())
	}
	b.WriteString("\t}\n")
	return b.String()
}
