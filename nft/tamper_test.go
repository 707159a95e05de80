package nft

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
)

// tampering is something that another program does to the table: a script for the nft program.
// Where the script says HANDLE, it means the rule of that chain that reads like this.
type tampering struct{ name, script, chain, rule string }

const (
	podChain = "egress/default/web-0"
	podRules = "inet picket egress/default/web-0"
	forward  = "inet picket forward"
	key      = "v4v5xynktnxmdyvn4hljj5a7y4" // of the sample's sets
)

// What is done to rules: found by comments, by their number, and by the order in which they were
// made.
var ruleTamperings = []tampering{
	{"first rule of a pod deleted", "delete rule " + podRules + " handle HANDLE", podChain,
		"tcp dport 80 goto arrival"},
	{"middle rule of a pod deleted", "delete rule " + podRules + " handle HANDLE", podChain,
		"log prefix"},
	{"denial of a pod deleted", "delete rule " + podRules + " handle HANDLE", podChain,
		"isolated by"},
	{"rule of a pod added", "add rule " + podRules + " accept", "", ""},
	{"rule of a pod inserted", "insert rule " + podRules + " accept", "", ""},
	{"first rule of a pod replaced", "replace rule " + podRules + " handle HANDLE return", podChain,
		"tcp dport 80 goto arrival"},
	{"first rule of a pod replaced under its comment", "replace rule " + podRules +
		` handle HANDLE return comment "default/sample egress[0]"`, podChain,
		"tcp dport 80 goto arrival"},
	{"log of a pod replaced", "replace rule " + podRules + " handle HANDLE return", podChain,
		"log prefix"},
	{"denial of a pod replaced", "replace rule " + podRules + " handle HANDLE return", podChain,
		"isolated by"},
	{"a rule of a pod swapped for another", "delete rule " + podRules +
		" handle HANDLE; insert rule " + podRules + " return", podChain, "meta l4proto sctp"},
	{"chain of a pod flushed", "flush chain " + podRules, "", ""},
	{"dispatch deleted", "delete rule inet picket arrival" + " handle HANDLE", "arrival",
		"@ingress6"},
	{"rule of the frame added", "add rule " + forward + " accept", "", ""},
	{"rule of the frame inserted", "insert rule " + forward + " accept", "", ""},
	{"rule of the frame replaced", "replace rule " + forward + "6 handle HANDLE accept", "forward6",
		"hoplimit 255"},
	{"rule of the frame replaced under its comment", "replace rule " + forward +
		`6 handle HANDLE accept comment "neighbours find each other"`, "forward6", "hoplimit 255"},
	{"first dispatch replaced", "replace rule " + forward + " handle HANDLE accept", "forward",
		"@egress4"},
	{"last dispatch replaced", "replace rule inet picket arrival handle HANDLE accept", "arrival",
		"@ingress6"},
	{"last dispatch swapped for another", "delete rule inet picket arrival handle HANDLE; add " +
		"rule inet picket arrival accept", "arrival", "@ingress6"},
	{"the way to ingress deleted", "delete rule " + forward + " handle HANDLE", "forward",
		"goto arrival"},
	{"look at the port deleted", "delete rule " + podRules + " handle HANDLE", podChain,
		"th dport vmap"},
	{"peers made everybody", "insert rule inet picket peers/egress-sample accept", "", ""},
	{"peers forgotten", "flush chain inet picket peers/egress-sample", "", ""},
	{"jump replaced", "replace rule " + forward + " handle HANDLE accept", "forward",
		"jump related"},
	{"base chain flushed", "flush chain " + forward, "", ""},
	{"rules of the table flushed", "flush table inet picket", "", ""},
}

var elementTamperings = []tampering{
	{name: "address added", script: "add element inet picket pods4-" + key + " { 10.9.9.9 }"},
	{name: "address deleted", script: "delete element inet picket pods6-" + key +
		" { fd00:10:244:1::6 }"},
	{name: "addresses flushed", script: "flush set inet picket pods4-" + key},
	{name: "address to an empty set", script: "add element inet picket pods6-nobody { ::1 }"},
	{name: "port added", script: "add element inet picket ports4-" + key +
		" { 10.9.9.9 . tcp . 1 }"},
	{name: "port deleted", script: "delete element inet picket ports6-" + key +
		" { fd00:10:244:1::6 . udp . 53 }"},
	{name: "range added", script: "add element inet picket cidrs4-" + key + " { 10.200.0.0/16 }"},
	{name: "range deleted", script: "delete element inet picket cidrs6-" + key + " { fd00::/112 }"},
	{name: "range at the top deleted", script: "delete element inet picket cidrs4-" + key +
		" { 255.255.255.254/31 }"},
	{name: "range made smaller", script: "delete element inet picket cidrs4-" + key +
		" { 0.0.0.0/31 }; add element inet picket cidrs4-" + key + " { 0.0.0.0 }"},
	{name: "link added", script: "add element inet picket podlinks { eth0 }"},
	{name: "link deleted", script: "delete element inet picket podlinks { cni0 }"},
	{name: "place of a pod deleted", script: "flush set inet picket links4-behind"},
	{name: "place of a pod added",
		script: `add element inet picket links4-behind { "eth0" . 10.244.1.5 }`},
	{name: "tunnel added", script: "add element inet picket ports-tunnels { udp . 53 }"},
	{name: "tunnel deleted", script: "flush set inet picket ports-tunnels"},
	{name: "output flushed", script: "flush chain inet picket output"},
	{name: "input flushed", script: "flush chain inet picket input"},
	{name: "pod forgotten", script: "delete element inet picket egress4 { 10.244.1.5 }"},
	{name: "pod invented", script: "add element inet picket egress4 { 10.244.1.6 : jump " +
		podChain + " }"},
	{name: "pod invented under a comment",
		script: `add element inet picket egress4 { 10.244.1.6 comment "` + podChain + `" : jump ` +
			podChain + " }"},
	{name: "pod freed", script: "delete element inet picket egress4 { 10.244.1.5 }; add element " +
		"inet picket egress4 { 10.244.1.5 : accept }"},
	{name: "pod freed under its comment",
		script: `delete element inet picket egress4 { 10.244.1.5 }; add element inet picket egress4 { 10.244.1.5 comment "` + podChain + `" : accept }`},
	{name: "pod sent elsewhere under its comment",
		script: `delete element inet picket egress4 { 10.244.1.5 }; add element inet picket egress4 { 10.244.1.5 comment "` + podChain + `" : jump ingress/default/web-0 }`},
	{name: "port of a pod added", script: "add element " + podRules +
		" { tcp . 7001 : jump peers/egress-sample }"},
	{name: "port of a pod deleted", script: "delete element " + podRules + " { tcp . 7000 }"},
	{name: "port of a pod made free under its comment", script: "delete element " + podRules +
		" { tcp . 7000 }; add element " + podRules +
		` { tcp . 7000 comment "default/sample egress[1]" : accept }`},
	{name: "port of a pod led elsewhere under its comment", script: "delete element " + podRules +
		" { tcp . 7000 }; add element " + podRules +
		` { tcp . 7000 comment "default/sample egress[1]" : jump arrival }`},
	{name: "port of a pod explained by another", script: "delete element " + podRules +
		" { tcp . 7000 }; add element " + podRules +
		` { tcp . 7000 comment "default/other egress[1]" : jump peers/egress-sample }`},
	{name: "ports of a pod flushed", script: "flush map " + podRules},
	{name: "map flushed", script: "flush map inet picket ingress6"},
}

var objectTamperings = []tampering{
	{name: "chain added", script: "add chain inet picket mine"},
	{name: "base chain added", script: "add chain inet picket mine { type filter hook forward " +
		"priority -5; }"},
	{name: "pod's chain added", script: "add chain inet picket ingress/default/web-1"},
	{name: "base chain under a pod's name", script: "add chain inet picket ingress/default/web-1 " +
		"{ type filter hook forward priority -5; policy drop; }"},
	{name: "pod's chain deleted", script: "flush map inet picket egress4; flush map inet picket " +
		"egress6; delete chain " + podRules},
	{name: "base chain deleted", script: "flush chain " + forward + "; delete chain " + forward},
	{name: "policy changed", script: "chain " + forward + " { policy drop; }"},
	{name: "table put to sleep", script: "table inet picket { flags dormant; }"},
	{name: "set added", script: "add set inet picket mine { type ipv4_addr; }"},
	{name: "set of six fields added", script: "add set inet picket mine { typeof ip saddr . ip " +
		"daddr . tcp sport . tcp dport . meta l4proto . meta mark; }"},
	{name: "set of one of our names added", script: "add set inet picket pods4-mine { type " +
		"ipv4_addr; elements = { 10.0.0.1 } }"},
	{name: "set of another type under one of our names",
		script: "add set inet picket pods4-mine { type ipv6_addr; elements = { ::1 } }"},
	{name: "set with intervals under one of our names",
		script: "add set inet picket pods4-mine { type ipv4_addr; flags interval; }"},
	{name: "set of one of the frame's names",
		script: "add set inet picket cut4 { type ipv4_addr; }"},
	{name: "map into a pod's chain added", script: "add map inet picket mine { type ipv4_addr : " +
		"verdict; elements = { 10.0.0.1 : jump " + podChain + " } }"},
	{name: "chains that need each other", script: "add chain inet picket mine; add chain inet " +
		"picket yours; add rule inet picket mine jump yours; add rule inet picket related jump mine"},
	{name: "pod sent to another's chain", script: "add chain inet picket mine; delete element " +
		"inet picket egress4 { 10.244.1.5 }; add element inet picket egress4 { 10.244.1.5 : jump mine }"},
	{name: "a pod's rules in another's set", script: "add set inet picket mine { type ipv4_addr; " +
		"}; add rule " + podRules + " ip daddr @mine accept"},
	{name: "map added", script: "add map inet picket mine { type ipv4_addr : mark; }"},
	{name: "map under a pod's name added", script: "add map inet picket egress/default/web-1 { " +
		"type inet_proto . inet_service : verdict; }"},
	{name: "set under a pod's name added", script: "add set inet picket egress/default/web-1 { " +
		"type ipv4_addr; }"},
	{name: "unused set deleted", script: "delete set inet picket pods4-nobody"},
	{name: "used set deleted", script: "flush chain " + podRules +
		"; flush chain inet picket ingress/default/web-0; flush chain inet picket " +
		"peers/egress-sample; flush chain inet picket peers/ingress-sample; delete set inet " +
		"picket pods4-" + key},
	{name: "map deleted", script: "flush chain " + forward +
		"; flush chain inet picket output; delete map inet picket egress4"},
	{name: "table deleted", script: "delete table inet picket"},
	{name: "table emptied", script: "delete table inet picket; add table inet picket"},
	{name: "everything deleted", script: "flush ruleset"},
}

// catchAlls add an element for every key that has none to a set or map of every kind but ranges:
// for those the nft program ends with a fault (1.0.6). Before Linux 5.13 there are none.
func catchAlls(t *testing.T) (list []tampering) {
	t.Helper()
	if !kernelHas(t, "5.13") {
		return nil
	}
	maps := []string{podRules}
	sets := []string{"podlinks", "ports-tunnels"}
	for _, f := range ruleset.Families {
		for _, d := range ruleset.Directions {
			maps = append(maps, "inet picket "+mapName(d, f))
		}
		for _, id := range []ruleset.SetID{setID(ruleset.Addresses, f),
			setID(ruleset.AddressPorts, f), ruleset.Behind(f), ruleset.Bound(f)} {
			sets = append(sets, id.String())
		}
	}
	for _, name := range maps {
		list = append(list, tampering{name: "everybody freed in " + name,
			script: "add element " + name + " { * : accept }"})
	}
	for _, name := range sets {
		list = append(list, tampering{name: "everybody added to " + name,
			script: "add element inet picket " + name + " { * }"})
	}
	return list
}

// Whatever somebody changes in the table is seen, and made right.
func TestObserveSeesTampering(t *testing.T) {
	for _, group := range [][]tampering{ruleTamperings, elementTamperings, objectTamperings,
		catchAlls(t)} {
		for _, test := range group {
			t.Run(test.name, func(t *testing.T) {
				newNetns(t)
				b, want := open(t, Options{NoOwner: true}), sample(ruleset.Drop)
				converge(t, b, want)
				before := listed(t)
				nftProgram(t, test.resolve(t), "-f", "-")
				wantRepaired(t, b, want)
				if diff := cmp.Diff(blocks(before), blocks(listed(t))); diff != "" {
					t.Errorf("before (-), after the repair (+):\n%s", diff)
				}
			})
		}
	}
}

// wantRepaired converges, and something has to be done for that.
func wantRepaired(t *testing.T, b *Backend, want *ruleset.Program) {
	t.Helper()
	if d := converge(t, b, want); d.Empty() {
		t.Error("not noticed")
	}
}

// resolve puts the handle of the rule in.
func (x tampering) resolve(t *testing.T) string {
	t.Helper()
	if x.rule == "" {
		return x.script
	}
	listing := nftProgram(t, "", "-a", "list", "chain", "inet", tableName, x.chain)
	found := regexp.MustCompile(`.*` + regexp.QuoteMeta(x.rule) +
		`.* # handle (\d+)`).FindStringSubmatch(listing)
	if found == nil {
		t.Fatalf("no rule %q in\n%s", x.rule, listing)
	}
	return strings.ReplaceAll(x.script, "HANDLE", found[1])
}

// A table that somebody loaded from an edited listing.
func TestObserveSeesAnEditedListing(t *testing.T) {
	for _, edit := range []struct{ old, new string }{
		{"hook forward priority filter + 10", "hook forward priority filter - 10"},
		{"hook input priority filter + 10", "hook prerouting priority filter + 10"},
		{"policy accept", "policy drop"},
		{"ct state established accept", "ct state new accept"},
		{"ip6 hoplimit 255", "ip6 hoplimit 254"},
		{"nd-neighbor-advert }", "echo-request }"},
		{"tcp dport 80 goto arrival", "tcp dport 81 return"},
		{"udp dport { 53, 5353 }", "udp dport { 53, 5354 }"},
		{"60000-65535", "60000-65534"},
		{"tcp dport 8000-9000", "tcp dport 8000-9001"},
		{"ip daddr 192.0.2.0/24", "ip daddr 192.0.0.0/16"},
		{"ip daddr 172.16.0.0/12", "ip daddr 172.0.0.0/8"},
		{"ip6 daddr 2001:db8::/33", "ip6 daddr 2001:db8::/32"},
		{"ip daddr @cidrs4", "ip saddr @cidrs4"},
		{"drop comment \"isolated", "return comment \"isolated"},
		{"\t\tip saddr vmap @egress4\n", ""},
		{"\t\ttcp dport 80 goto arrival comment \"default/sample egress[0]\"\n", ""},
		{`comment "a pod is no router"`, `comment "nothing"`},
		{"10.244.2.7", "10.244.2.8"},
		{`comment "egress/default/web-0" : jump egress/default/web-0`,
			`comment "ingress/default/web-0" : jump ingress/default/web-0`},
	} {
		t.Run(fmt.Sprintf("%.30q", edit.old), func(t *testing.T) {
			newNetns(t)
			b, want := open(t, Options{NoOwner: true}), sample(ruleset.Drop)
			converge(t, b, want)
			before := listed(t)
			edited := strings.Replace(before, edit.old, edit.new, 1)
			if edited == before {
				t.Fatalf("no %q in\n%s", edit.old, before)
			}
			nftProgram(t, "flush ruleset\n"+edited, "-f", "-")
			wantRepaired(t, b, want)
			if diff := cmp.Diff(blocks(before), blocks(listed(t))); diff != "" {
				t.Errorf("before (-), after the repair (+):\n%s", diff)
			}
		})
	}
}
