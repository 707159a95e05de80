package nft

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// encoding is a digest of how this version of the program turns chains into rules. The comment that
// a chain is recognized by depends on it: what another version has written gets new rules, though
// the chain should hold the same. What the kernel can do changes nothing in it.
type encoding string

// currentEncoding is the one of this version.
func currentEncoding() encoding { return encodingOf(everyChain()) }

// encodingOf makes it of the rules of some chains.
func encodingOf(chains []ruleset.Chain) encoding {
	var texts []string
	for _, c := range chains {
		for _, r := range slices.Concat(stepsRules(c), endRules(c)) {
			texts = append(texts, r.sentText())
		}
	}
	return encoding(ruleset.Digest(strings.Join(texts, "\n")))
}

// sentText describes all that is sent for a rule, also what the kernel does not show as it was
// sent.
func (r rule) sentText() string {
	var b strings.Builder
	b.WriteString(r.text())
	for _, t := range r.terms {
		for _, e := range t.exprs {
			data, err := expr.Marshal(unix.NFPROTO_INET, e)
			fmt.Fprintf(&b, "\n%x %v", data, err)
		}
		if t.set != nil {
			fmt.Fprintf(&b, "\n%+v %+v", t.set.set, t.set.elements)
		}
	}
	return b.String()
}

// everyChain lists chains that have every kind of step, match, action and end, in both directions.
func everyChain() (chains []ruleset.Chain) {
	for _, d := range ruleset.Directions {
		id := ruleset.NewChainID(d, "sample", "pod")
		steps := ruleset.Steps{ruleset.Call{Chain: ruleset.NewPeersID(d, "sample")},
			ruleset.Lookup{Set: ruleset.PortsOf(id)}}
		for _, p := range ruleset.Protocols {
			steps = append(steps, ruleset.Lookup{Set: ruleset.SpansID(p, "sample")})
		}
		for _, r := range everyRule() {
			r.Origins = []ruleset.Origin{{Policy: "sample/policy", Direction: d}}
			steps = append(steps, r)
		}
		for _, end := range []ruleset.End{ruleset.EndDrop, ruleset.EndReject, ruleset.EndGoBack,
			ruleset.EndAccept, ruleset.EndAudit} {
			chains = append(chains, ruleset.Chain{ID: id, Direction: d, Subject: "sample/pod",
				Steps: steps, End: end, Policies: []string{"sample/policy", "other/policy"}})
		}
	}
	return chains
}

// everyRule lists rules with every action, and every kind of ports and of peer.
func everyRule() []ruleset.Rule {
	rules := []ruleset.Rule{{}}
	for _, action := range []ruleset.Action{ruleset.Accept, ruleset.Deny, ruleset.Pass} {
		rules = append(rules, ruleset.Rule{Action: action, Proto: ruleset.UDP,
			Ports: []ruleset.PortRange{{First: 53, Last: 53}},
			Peer:  ruleset.InPrefix(netip.MustParsePrefix("192.0.2.1/32"))})
	}
	for _, proto := range ruleset.Protocols {
		rules = append(rules, ruleset.Rule{Proto: proto})
	}
	for _, ports := range [][]ruleset.PortRange{
		{{First: 80, Last: 80}}, {{First: 80, Last: 90}}, {{First: 80, Last: 80}, {First: 90, Last: 90}},
		{{First: 80, Last: 90}, {First: 443, Last: 443}, {First: 9000, Last: 65535}},
	} {
		rules = append(rules, ruleset.Rule{Proto: ruleset.TCP, Ports: ports})
	}
	for _, f := range ruleset.Families {
		for _, kind := range []ruleset.SetKind{ruleset.Addresses, ruleset.AddressPorts,
			ruleset.Ranges} {
			id := ruleset.SetID{Kind: kind, Family: f, Key: "sample"}
			rules = append(rules, ruleset.Rule{Peer: ruleset.InSet(id)})
		}
	}
	for _, prefix := range []string{"0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "192.0.2.1/32",
		"::/0", "2001:db8::/32", "2001:db8::/33", "2001:db8::1/128"} {
		rules = append(rules,
			ruleset.Rule{Peer: ruleset.InPrefix(netip.MustParsePrefix(prefix))})
	}
	return rules
}
