package nft

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
)

// What a pod shares with others is asked first, then its own rules, then it is denied.
func TestChainThatLeadsOnward(t *testing.T) {
	c := ruleset.Chain{ID: "ingress/shop/web", Direction: ruleset.Ingress,
		Steps: ruleset.Steps{ruleset.Call{Chain: "alike/ingress-x"},
			ruleset.Rule{Peer: ruleset.InPrefix(netip.MustParsePrefix("10.0.0.2/32"))}}}
	want := []string{"jump alike/ingress-x", "ip saddr 10.0.0.2 accept",
		`limit rate 10/second burst 20 packets log prefix "picket ingress/shop/web " group 86`,
		"counter drop"}
	wantRules(t, c, want...)
}

// wantRules compares the rules of a chain without their comments.
func wantRules(t *testing.T, c ruleset.Chain, want ...string) {
	t.Helper()
	var lines []string
	for _, r := range encoding("").rulesOf(c) {
		text, _, _ := strings.Cut(r.text(), " comment ")
		lines = append(lines, text)
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}

// What a rule denies is dropped, also in a chain that rejects; what it passes on goes back.
func TestActionsOfRules(t *testing.T) {
	peer := ruleset.InPrefix(netip.MustParsePrefix("10.0.0.2/32"))
	c := ruleset.Chain{ID: "egress/shop/web", Direction: ruleset.Egress, Steps: ruleset.Steps{
		ruleset.Rule{Peer: peer, Action: ruleset.Deny}, ruleset.Rule{Peer: peer},
		ruleset.Lookup{Set: ruleset.PortsOf("egress/shop/web")},
		ruleset.Rule{Action: ruleset.Pass}}, End: ruleset.EndAccept}
	const log = `limit rate 10/second burst 20 packets log prefix "picket egress/shop/web " group 86`
	steps := []string{"ip daddr 10.0.0.2 " + log, "ip daddr 10.0.0.2 counter drop",
		"ip daddr 10.0.0.2 goto arrival", "meta l4proto . th dport vmap @egress/shop/web", "return"}
	wantRules(t, c, append(steps, "goto arrival")...)
	c.End = ruleset.EndReject
	wantRules(t, c, append(steps, log,
		"ct status dnat counter reject with icmpx type admin-prohibited",
		"meta l4proto tcp iif != 0 counter reject with tcp reset", "counter reject with icmpx type admin-prohibited")...)
}

// What audited policies would deny is logged with a word of its own, counted and let through.
func TestEndThatAudits(t *testing.T) {
	for d, onward := range map[ruleset.Direction]string{
		ruleset.Ingress: "accept", ruleset.Egress: "goto arrival",
	} {
		id := ruleset.NewChainID(d, "shop", "web")
		c := ruleset.Chain{ID: id, Direction: d, Subject: "shop/web",
			End: ruleset.EndAudit, Policies: []string{"shop/db", "shop/deny"}}
		wantRules(t, c, `limit rate 10/second burst 20 packets log prefix "picket audit `+
			string(id)+` " group 86`, "counter "+onward)
		rules := encoding("").rulesOf(c)
		if got := rules[len(rules)-1].comment; got != "audited: db, deny" {
			t.Errorf("comment %q", got)
		}
	}
}
