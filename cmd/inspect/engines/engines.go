// Package engines knows by which names other programs that enforce network policies show themselves on
// a node.
package engines

import (
	"fmt"
	"strings"
)

// Kind is what has a name.
type Kind string

// The kinds of things that are looked at on a node.
const (
	Table     Kind = "table"     // of nf_tables
	Chain     Kind = "chain"     // of nf_tables, or of iptables
	Interface Kind = "interface" // of the network
)

// Name is something on a node.
type Name struct {
	Kind Kind
	Text string
}

// signs are the beginnings of names by which a program is known.
var signs = []struct {
	engine string
	kind   Kind
	begins string
}{
	{"kube-router", Chain, "KUBE-ROUTER-"},
	{"kube-router", Chain, "KUBE-POD-FW-"},
	{"kube-router", Chain, "KUBE-NWPLCY-"},
	{"kube-network-policies", Table, "kube-network-policies"},
	{"Calico", Chain, "cali-"},
	{"Calico", Table, "calico"},
	{"Cilium", Chain, "CILIUM_"},
	{"Cilium", Interface, "cilium_host"},
	{"Weave Net", Chain, "WEAVE-NPC"},
	{"Antrea", Interface, "antrea-gw"},
	{"Antrea", Chain, "ANTREA-"},
	{"OVN-Kubernetes", Interface, "ovn-k8s-mp"},
}

// Find names the programs that left a sign, in the order of signs, each with the first of its signs.
func Find(names []Name) (found []string) {
	seen := map[string]bool{}
	for _, s := range signs {
		for _, n := range names {
			// The first sign is enough to know whose it is.
			if !seen[s.engine] && n.Kind == s.kind && strings.HasPrefix(n.Text, s.begins) {
				seen[s.engine] = true
				found = append(found, fmt.Sprintf("%s (%s %s)", s.engine, n.Kind, n.Text))
			}
		}
	}
	return found
}
