package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

// Policies stay as they are where no node is in their ipBlocks, and are not changed where
// one is.
func TestWithAliases(t *testing.T) {
	nodes := []Node{
		{Name: "n1", Addrs: ParseAddrs([]string{"10.77.0.11", "10.77.0.99", "10.244.2.7"}),
			CIDRs: prefixes("10.244.1.0/24", "fd00:1::/64")},
		{Name: "n2", Addrs: ParseAddrs([]string{"10.77.0.12", "10.77.0.99", "fd77::12"}),
			CIDRs: prefixes("10.244.2.0/24", "fd00:2::/64")},
	}
	aliases := NodeAliases(nodes, NewPodRanges(nodes), func(a netip.Addr) bool {
		return a == netip.MustParseAddr("10.244.1.0")
	})
	if got := fmt.Sprint(aliases); got != "[{10.77.0.12 10.244.2.0} {fd77::12 fd00:2::}]" {
		t.Fatalf("aliases: %s", got)
	}
	with := func(blocks ...string) string {
		p := &Policy{Rules: [2][]Rule{{{Index: 0}, {Index: 1, Blocks: rangesOf(blocks)}}}}
		before := fmt.Sprint(p.Rules)
		wide := p.WithAliases(aliases)
		if fmt.Sprint(p.Rules) != before || (wide == p) != wide.SameBlocks(p) {
			t.Errorf("%v: the policy was changed, or made anew without need", blocks)
		}
		return fmt.Sprint(wide.Rules[0][1].Blocks)
	}
	for blocks, want := range map[string]string{
		"10.77.0.0/24":                "[10.77.0.0/24 10.244.2.0/32]",
		"10.77.0.11/32":               "[10.77.0.11/32]",
		"10.0.0.0/8":                  "[10.0.0.0/8]",
		"fd77::/64":                   "[fd00:2::/128 fd77::/64]",
		"10.77.0.99/32":               "[10.77.0.99/32]",
		"10.244.2.7/32":               "[10.244.2.7/32]",
		"10.77.0.13/32 10.77.0.0/29":  "[10.77.0.0/29 10.77.0.13/32]",
		"10.77.0.12/32 10.244.2.0/31": "[10.77.0.12/32 10.244.2.0/31]",
	} {
		if got := with(strings.Fields(blocks)...); got != want {
			t.Errorf("%s: %s, want %s", blocks, got, want)
		}
	}
}

func rangesOf(texts []string) []ruleset.Range {
	var ranges []ruleset.Range
	for _, p := range prefixes(texts...) {
		ranges = append(ranges, ruleset.RangeOf(p))
	}
	return Union(ranges)
}
