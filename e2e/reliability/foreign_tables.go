package main

import (
	"errors"
	"strings"

	"github.com/picket-project/picket/e2e/listing"
)

// foreignScript makes tables of somebody else, with all kinds of objects, and names that could be
// taken for ours.
const foreignScript = `
table inet firewall {
	set pods4-mine { type ipv4_addr; elements = { 10.244.1.5 } }
	set ranges { type ipv6_addr; flags interval; elements = { 2001:db8::/32 } }
	map ports { type inet_service : verdict; elements = { 8080 : accept, 8443 : drop } }
	counter hits { packets 7 bytes 700 }
	chain input { type filter hook input priority 5; policy accept; tcp dport vmap @ports; }
}
table ip picket {
	map egress4 { type ipv4_addr : verdict; elements = { 10.244.1.55 : drop } }
	counter seen { packets 3 bytes 300 }
	chain forward { type filter hook forward priority filter + 10; policy accept; ip saddr vmap @egress4; }
}
`

// foreignCommands do the same for legacy iptables and ipset.
const foreignCommands = `
ipset -exist create pods4-mine hash:ip
ipset -exist add pods4-mine 10.244.1.5
for program in iptables-legacy-restore ip6tables-legacy-restore; do $program --noflush <<RULES
*mangle
:picketing -
-A FORWARD -j picketing
-A picketing -p tcp -m tcp --dport 8443 -j DROP
-A picketing -m comment --comment "forward of picket" -j RETURN
COMMIT
*filter
:firewall -
-A firewall -j RETURN
-A firewall -p udp -m udp --dport 8443 -j DROP
COMMIT
RULES
done
`

// foreignTables are these tables on one node.
type foreignTables struct {
	testbed *testbed
	node    string
	before  string
}

// addForeignTables makes the tables on a node.
func (s *testbed) addForeignTables(node string) (*foreignTables, error) {
	f := &foreignTables{testbed: s, node: node}
	return f, f.recreate()
}

// recreate makes the tables anew, after they were taken away by what is not the product.
func (f *foreignTables) recreate() error {
	make, script := f.testbed.nft, foreignScript
	if f.testbed.backendOf(f.node) == iptables {
		make, script = f.testbed.shell, foreignCommands
	}
	if err := make(f.node, script); err != nil {
		return err
	}
	text, err := f.list()
	f.before = text
	return err
}

// list prints the tables with the handles of their objects: what was made anew has others.
func (f *foreignTables) list() (string, error) {
	if f.testbed.backendOf(f.node) == iptables {
		return f.listLegacy()
	}
	var text strings.Builder
	var errs []error
	for _, table := range [][]string{{"inet", "firewall"}, {"ip", "picket"}} {
		out, err := f.testbed.inNode(f.node, "", f.testbed.env.nft, "-a", "list", "table", table[0],
			table[1])
		text.WriteString(out)
		errs = append(errs, err)
	}
	return text.String(), errors.Join(errs...)
}

// listLegacy prints what others have in legacy iptables and ipset, without counts.
func (f *foreignTables) listLegacy() (string, error) {
	var text strings.Builder
	var errs []error
	for _, words := range [][]string{{"iptables-legacy-save"}, {"ip6tables-legacy-save"},
		{"ipset", "save", "pods4-mine"}} {
		out, err := f.testbed.inNode(f.node, "", words...)
		errs = append(errs, err)
		for line := range strings.Lines(out) {
			line, _, _ = strings.Cut(line, " [")
			ours := strings.Contains(line, "picket-") || strings.Contains(line, "pkt-")
			if !ours && !strings.HasPrefix(line, "#") {
				text.WriteString(strings.TrimSpace(line) + "\n")
			}
		}
	}
	return text.String(), errors.Join(errs...)
}

// check looks whether they are what they were.
func (f *foreignTables) check(after string) error {
	now, err := f.list()
	if diff := listing.Difference(f.before, now); diff != "" {
		f.testbed.fault("after %s, other tables are not what they were:\n%s", after, diff)
	}
	return err
}
