package nft

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/picket-project/picket/ruleset"
)

// Names and numbers of the table. A chain with a slash in its name is a pod's.
const (
	tableName = "picket"
	linkSet   = "podlinks" // interfaces that pods sit behind
	arrival   = "arrival"  // the chain for what egress lets pass: ingress judges it
	logPrefix = "picket "
	logGroup  = 86 // NFLOG group of denied packets
	logRate   = 10 // a second and chain
	logBurst  = 20
)

// priority puts the base chains behind everybody's own filters (0), so that what those drop is not counted
// here, and before source translation (100).
const priority = 10

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

// The ICMP messages that the frame speaks of.
var (
	redirect         = icmpType{"redirect", 5}
	routerAdvert     = icmpType{"nd-router-advert", 134}
	neighbourSolicit = icmpType{"nd-neighbor-solicit", 135}
	neighbourAdvert  = icmpType{"nd-neighbor-advert", 136}
	redirect6        = icmpType{"nd-redirect", 137}
)

// frame lists the chains that every packet meets, each before it is jumped to, of a strict program or another.
func frame(strict bool) []frameChain {
	var unknown []rule
	if strict {
		unknown = noUnknown()
	}
	chains := []frameChain{
		{"related", nil, []rule{
			{[]term{isICMP(ruleset.IPv4, redirect), counter(), verdict(expr.VerdictDrop, "")}, "a redirect is no error"},
			{[]term{isAnyICMP(), verdict(expr.VerdictAccept, "")}, "errors about what was allowed"},
		}},
		{arrival, nil, append(dispatches(ruleset.Ingress), rule{[]term{verdict(expr.VerdictAccept, "")}, ""})},
		{"forward", &hook{"forward", *nftables.ChainHookForward, priority}, append([]rule{
			{[]term{ctState("established", ctEstablished), verdict(expr.VerdictAccept, "")}, "replies of what was allowed"},
			{[]term{ctState("related", ctRelated), verdict(expr.VerdictJump, "related")}, ""},
			{[]term{isICMP(ruleset.IPv6, neighbourSolicit, neighbourAdvert), onLink(), verdict(expr.VerdictAccept, "")}, "neighbours find each other"},
		}, slices.Concat(noRouters(), noLinkLocal(), unknown, dispatches(ruleset.Egress), []rule{{[]term{verdict(expr.VerdictGoto, arrival)}, ""}})...)},
		{"input", &hook{"input", *nftables.ChainHookInput, priority}, noRouters()},
	}
	first := &chains[0].rules[0]
	first.comment += "; layout " + ruleset.Digest(frameText(chains))
	return chains
}

// noRouters drops what only a router may say where a pod says it (CVE-2020-10749).
func noRouters() []rule {
	drop := verdict(expr.VerdictDrop, "")
	return []rule{
		{[]term{fromLink(linkSet), isICMP(ruleset.IPv6, routerAdvert, redirect6), counter(), drop}, "a pod is no router"},
		{[]term{fromLink(linkSet), isICMP(ruleset.IPv4, redirect), counter(), drop}, "a pod is no router"},
	}
}

// noLinkLocal drops what pods of one node say to each other by IPv6 link-local addresses, with which a pod
// could pass by its policies: none of them is known to be a pod's.
func noLinkLocal() []rule {
	linkLocal := netip.MustParsePrefix("fe80::/10")
	var rules []rule
	for _, e := range []end{source, destination} {
		terms := []term{fromLink(linkSet), inPrefix(linkLocal, e), counter(), verdict(expr.VerdictDrop, "")}
		rules = append(rules, rule{terms, "a link-local address is no pod's"})
	}
	return rules
}

// noUnknown drops what is sent by or to an address of this node's pod range that no known pod has.
func noUnknown() []rule {
	var rules []rule
	for _, e := range []end{source, destination} {
		for _, f := range ruleset.Families {
			terms := []term{inSet(ruleset.LocalRange(f), e), notInSet(ruleset.KnownPods(f), e), counter(), verdict(expr.VerdictDrop, "")}
			rules = append(rules, rule{terms, "no pod that is known yet"})
		}
	}
	return rules
}

// dispatches sends a packet to the chain of its subject in a direction.
func dispatches(d ruleset.Direction) []rule {
	var rules []rule
	for _, f := range ruleset.Families {
		rules = append(rules, rule{[]term{dispatched(f, subjectEnd(d), mapName(d, f))}, ""})
	}
	return rules
}

// mapName names the verdict map of a direction and family: egress4, ingress6.
func mapName(d ruleset.Direction, f ruleset.Family) string { return fmt.Sprintf("%s%d", d, f) }

// text prints the chain as the nft program does.
func (c frameChain) text() string {
	head := ""
	if c.hook != nil {
		head = fmt.Sprintf("\t\ttype filter hook %s priority filter + %d; policy accept;\n", c.hook.name, c.hook.priority)
	}
	return chainText(c.name, head, c.rules)
}

func frameText(chains []frameChain) string {
	var b strings.Builder
	for _, c := range chains {
		b.WriteString(c.text())
	}
	return b.String()
}

func chainText(name, head string, rules []rule) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\tchain %s {\n%s", name, head)
	for _, r := range rules {
		fmt.Fprintf(&b, "\t\t%s\n", r.text())
	}
	b.WriteString("\t}\n")
	return b.String()
}
