package nft

import (
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// segmentFrame lists the chains of the table on bridges.
func segmentFrame(s ruleset.Segment) []frameChain {
	shared := len(s.Routers) > 0
	chains := []frameChain{
		{"sender", &hook{"prerouting", *nftables.ChainHookPrerouting, bridgePriority},
			senderRules(shared)},
		{"receiver", &hook{"forward", *nftables.ChainHookForward, bridgePriority},
			receiverRules(shared)},
		{"outgoing", &hook{"output", *nftables.ChainHookOutput, bridgePriority}, deliveryRules()},
	}
	if slices.ContainsFunc(s.Ports, func(p ruleset.Port) bool { return p.Closed }) {
		before := &hook{"forward", *nftables.ChainHookForward, bridgePriority - 1}
		chains = append(chains, frameChain{"closed", before, closedRules()})
	}
	return chains
}

// dropping is a rule that counts what it drops.
func dropping(comment string, terms ...term) rule {
	return newRule(append(terms, counter(), drop())...).because(comment)
}

// accepting is a rule for what may pass; without a comment where the terms say it all.
func accepting(comment string, terms ...term) rule {
	return newRule(append(terms, verdict(expr.VerdictAccept, ""))...).because(comment)
}

// senderRules decide about what comes from ports, before the bridge learns where a MAC address is.
func senderRules(shared bool) []rule {
	rules := []rule{
		dropping("hidden behind a tag", vlanZero("vlan", unix.ETH_P_8021Q), fromLink(podPorts)),
		dropping("hidden behind a tag", vlanZero("8021ad", unix.ETH_P_8021AD), fromLink(podPorts)),
		dropping("another's MAC address", otherMAC(), fromLink(podPorts)),
	}
	if shared {
		rules = append(rules,
			dropping("a pod is no router",
				onBridge(ruleset.IPv6,
					isICMP(ruleset.IPv6, routerAdvert, redirect6)), notFromLink(routerSet)),
			dropping("a pod is no router", onBridge(ruleset.IPv4, isICMP(ruleset.IPv4, redirect)),
				notFromLink(routerSet)))
	}
	for _, f := range ruleset.Families {
		rules = append(rules, accepting("", ownAddress(f, source)))
	}
	for _, f := range ruleset.Families {
		rules = append(rules, dropping("another's address", isTaken(f, source), fromLink(podPorts)))
	}
	rules = append(rules, dropping("another's address", arpTaken(), fromLink(podPorts),
		arpByOther()))
	for _, f := range ruleset.Families {
		rules = append(rules, dropping("not its address", fromLink(boundSet), isEther(f),
			outside(addressless[f]...)))
	}
	return rules
}

// addressless are sources of who has no address yet, or speaks to its own link only. The node may
// hear them: they ask for an address, or say which groups they are in. It never routes them.
var addressless = map[ruleset.Family][]netip.Prefix{
	ruleset.IPv4: {netip.MustParsePrefix("0.0.0.0/32")},
	ruleset.IPv6: {netip.MustParsePrefix("::/128"), linkLocal},
}

// linkLocal are addresses that count on one link only (RFC 4291, 2.5.6).
var linkLocal = netip.MustParsePrefix("fe80::/10")

// receiverRules decide about what goes from port to port.
func receiverRules(shared bool) []rule {
	rules := []rule{accepting("neighbours find each other",
		onBridge(ruleset.IPv6, isICMP(ruleset.IPv6, neighbourSolicit, neighbourAdvert)), onLink())}
	for _, f := range ruleset.Families {
		for _, p := range addressless[f] {
			rules = append(rules, dropping("not its address", onBridge(f, inPrefix(p, source)),
				fromLink(boundSet)))
		}
	}
	if shared {
		for _, e := range []end{source, destination} {
			rules = append(rules, dropping("a link-local address is no pod's",
				onBridge(ruleset.IPv6, inPrefix(linkLocal, e)), fromLink(podPorts)))
		}
	}
	rules = append(rules, deliveryRules()...)
	return append(rules,
		dropping("not sent to its address", notARP(), toLink(isolatedSet)),
		dropping("no packet", notPacket(), fromLink(boundSet)))
}

// deliveryRules let packets to addresses of pods pass to the pods' ports only.
func deliveryRules() []rule {
	var rules []rule
	for _, f := range ruleset.Families {
		rules = append(rules, accepting("", ownAddress(f, destination)))
	}
	for _, f := range ruleset.Families {
		rules = append(rules, dropping("for another", toOne(), isTaken(f, destination),
			toLink(podPorts)))
	}
	return rules
}

// closedRules let neighbours find each other, and nothing else pass.
func closedRules() []rule {
	return []rule{
		accepting("neighbours find each other", inFrame("arp", unix.ETH_P_ARP)),
		accepting("neighbours find each other",
			onBridge(ruleset.IPv6, isICMP(ruleset.IPv6, neighbourSolicit,
				neighbourAdvert)), onLink()),
		dropping("no hook would see it", fromLink(closedSet)),
		dropping("no hook would see it", toLink(closedSet)),
	}
}
