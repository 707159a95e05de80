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
		Rules:  []ruleset.Rule{{Peer: ruleset.InPrefix(netip.MustParsePrefix("10.0.0.2/32"))}},
		Onward: "alike/ingress-x"}
	var lines []string
	for _, r := range rulesOf(c) {
		text, _, _ := strings.Cut(r.text(), " comment ")
		lines = append(lines, text)
	}
	want := []string{"jump alike/ingress-x", "ip saddr 10.0.0.2 accept",
		`limit rate 10/second burst 20 packets log prefix "picket ingress/shop/web " group 86`,
		"counter drop"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
}
