package nft

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
)

// What others keep in the kernel: every family that the sample's tables could be confused with,
// and things in them that look like ours.
const foreignTables = `
table ip picket {
	map egress4 { type ipv4_addr : verdict; elements = { 10.244.1.5 : drop, 10.244.1.6 : jump there } }
	set podlinks { type ifname; elements = { "cni0" } }
	chain there { counter accept; }
	chain forward { type filter hook forward priority filter + 10; policy drop; ip saddr vmap @egress4; }
}
table ip6 filter {
	set blocked { type ipv6_addr; flags interval; elements = { 2001:db8::/32 } }
	chain FORWARD { type filter hook forward priority filter; policy accept; ip6 saddr @blocked drop; }
}
table inet firewall {
	set pods4-v4v5xynktnxmdyvn4hljj5a7y4 { type ipv4_addr; elements = { 10.244.1.6 } }
	set six { typeof ip saddr . ip daddr . tcp sport . tcp dport . meta l4proto . meta mark; }
	map ports { type inet_service : verdict; elements = { 80 : accept, 443 : drop } }
	counter hits { }
	chain input { type filter hook input priority 5; policy accept; tcp dport vmap @ports; counter name hits; }
	chain egress/default/web-0 { accept comment "not picket's"; }
}
table ip nat {
	chain PREROUTING { type nat hook prerouting priority dstnat; tcp dport 80 dnat to 10.244.1.5:8080; }
	chain POSTROUTING { type nat hook postrouting priority srcnat; masquerade; }
}
table bridge filter {
	set macs { type ether_addr; elements = { 02:00:00:00:00:01 } }
	chain forward { type filter hook forward priority filter; policy accept; ether saddr @macs drop; }
}
table arp filter {
	chain input { type filter hook input priority filter; policy accept; arp operation request accept; }
}
`

// foreignListing is all that others keep, with handles: what was made anew would have others.
func foreignListing(t *testing.T) string {
	t.Helper()
	var listing string
	for _, table := range []string{"ip picket", "ip6 filter", "inet firewall", "ip nat",
		"bridge filter", "arp filter"} {
		listing += nftProgram(t, "", append([]string{"-a", "list", "table"},
			strings.Fields(table)...)...)
	}
	return listing
}

// Others' tables are the same, byte by byte, after everything that a backend does.
func TestForeignTablesAreLeftAlone(t *testing.T) {
	for _, o := range []Options{{}, {NoOwner: true}} {
		newNetns(t)
		nftProgram(t, foreignTables, "-f", "-")
		before := foreignListing(t)
		b := open(t, o)
		steps := []struct {
			name string
			do   func()
		}{
			{"converge", func() { converge(t, b, sample(ruleset.Drop)) }},
			{"change", func() { converge(t, b, programs().Example(3)) }},
			{"rebuild", func() { rebuild(t, b, ruleset.Lost, sample(ruleset.Reject)) }},
			{"mended frame", func() { rebuild(t, b, ruleset.Damaged, sample(ruleset.Reject)) }},
			{"restart", func() { _ = b.Close(); wantHeld(t, b, sample(ruleset.Reject)) }},
			{"empty", func() { converge(t, b, &ruleset.Program{}) }},
			{"cleanup", func() {
				if removed, err := b.Cleanup(); !removed || err != nil {
					t.Errorf("Cleanup = %t, %v", removed, err)
				}
			}},
		}
		for _, step := range steps {
			step.do()
			if diff := cmp.Diff(before, foreignListing(t)); diff != "" {
				t.Fatalf("%+v: %s changed what is not ours:\n%s", o, step.name, diff)
			}
		}
		if tables := nftProgram(t, "", "list", "tables"); strings.Contains(tables,
			"table inet picket\n") {
			t.Errorf("left:\n%s", tables)
		}
	}
}
