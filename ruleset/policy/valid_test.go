package policy_test

import (
	"fmt"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/oracle"
	"github.com/picket-project/picket/ruleset/policy"
)

// netpol reads "namespace/name spec", the spec as YAML.
func netpol(t *testing.T, text string) *networkingv1.NetworkPolicy {
	t.Helper()
	p, err := oracle.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rulesText prints what Parse made of the rules, one a line.
func rulesText(p *policy.Policy) string {
	var lines []string
	for _, d := range ruleset.Directions {
		for _, r := range p.Rules[d] {
			lines = append(lines, fmt.Sprintf("%s[%d]%s%s", d, r.Index, peersText(r), portsText(r)))
		}
	}
	return strings.Join(lines, "\n")
}

func peersText(r policy.Rule) string {
	text := map[bool]string{true: " anyone"}[r.AnyPeer]
	for _, s := range r.Pods {
		text += " (" + s.String() + ")"
	}
	for _, b := range r.Blocks {
		text += " " + b.String()
	}
	return text
}

func portsText(r policy.Rule) string {
	text := map[bool]string{true: " any"}[r.AnyPort]
	for _, ports := range r.Ports {
		text += " " + ports.Proto.String()
		for _, ports := range ports.Ranges {
			text += " " + ports.String()
		}
	}
	for _, n := range r.Names {
		text += fmt.Sprintf(" %s:%s", n.Proto, n.Name)
	}
	return text
}

// What is right is understood as it is meant, and nothing is said about it.
func TestParseValid(t *testing.T) {
	for _, row := range []struct{ field, spec, isolates, rules string }{
		{"spec.policyTypes absent", "{}", "ingress", ""},
		{"spec.policyTypes absent, spec.egress empty", "{egress: []}", "ingress", ""},
		{"spec.policyTypes absent, spec.egress has a rule", "{egress: [{}]}", "ingress egress",
			"egress[0] anyone any"},
		{"spec.policyTypes empty", "{policyTypes: [], ingress: [{}]}", "ingress",
			"ingress[0] anyone any"},
		{"spec.policyTypes Egress alone", "{policyTypes: [Egress]}", "egress", ""},
		{"spec.policyTypes both", "{policyTypes: [Egress, Ingress]}", "ingress egress", ""},
		{"spec.policyTypes twice the same", "{policyTypes: [Ingress, Ingress]}", "ingress", ""},
		{"spec.policyTypes Ingress, with egress rules", "{policyTypes: [Ingress], egress: [{}]}",
			"ingress", "egress[0] anyone any"},
		{"from and ports empty", "{ingress: [{from: [], ports: []}]}", "ingress",
			"ingress[0] anyone any"},
		{"from[].podSelector", "{ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}",
			"ingress",
			"ingress[0] (pods app=web in namespace a) any"},
		{"from[].podSelector empty", "{ingress: [{from: [{podSelector: {}}]}]}", "ingress",
			"ingress[0] (all pods in namespace a) any"},
		{"from[].namespaceSelector", "{ingress: [{from: [{namespaceSelector: {matchLabels: " +
			"{team: x}}}]}]}", "ingress",
			"ingress[0] (all pods in namespaces with team=x) any"},
		{"from[].namespaceSelector empty", "{ingress: [{from: [{namespaceSelector: {}}]}]}",
			"ingress", "ingress[0] (all pods in all namespaces) any"},
		{"from[] with both selectors", "{ingress: [{from: [{namespaceSelector: {}, podSelector: " +
			"{matchLabels: {app: ''}}}]}]}", "ingress",
			"ingress[0] (pods app= in all namespaces) any"},
		{"from[].ipBlock.cidr with host bits",
			"{ingress: [{from: [{ipBlock: {cidr: 10.1.2.3/8}}, {ipBlock: {cidr: 'fd00::1/8'}}]}]}",
			"ingress",
			"ingress[0] 10.0.0.0/8 fd00::/8 any"},
		{"from[].ipBlock.cidr of all", "{ingress: [{from: [{ipBlock: {cidr: '::/0'}}, {ipBlock: " +
			"{cidr: 0.0.0.0/0}}]}]}", "ingress",
			"ingress[0] 0.0.0.0/0 ::/0 any"},
		{"from[].ipBlock.except overlapping",
			"{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16, 10.1.2.0/24, " +
				"10.0.255.255/15]}}]}]}", "ingress",
			"ingress[0] 10.2.0.0-10.255.255.255 any"},
		{"from[].ipBlock.except with host bits",
			"{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/31, except: [10.0.0.1/32]}}]}]}",
			"ingress", "ingress[0] 10.0.0.0/32 any"},
		{"from[].ipBlock.except not from another entry",
			"{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {ipBlock: " +
				"{cidr: 10.1.2.0/24}}]}]}", "ingress",
			"ingress[0] 10.0.0.0/16 10.1.2.0/24 10.2.0.0-10.255.255.255 any"},
		{"from[].ipBlock entries that continue each other",
			"{ingress: [{from: [{ipBlock: {cidr: 10.0.1.0/24}}, {ipBlock: {cidr: 10.0.0.0/24}}]}]}",
			"ingress", "ingress[0] 10.0.0.0/23 any"},
		{"ports[].protocol absent is TCP", "{ingress: [{ports: [{port: 80}]}]}", "ingress",
			"ingress[0] anyone tcp 80"},
		{"ports[].port absent", "{ingress: [{ports: [{protocol: UDP}, {}]}]}", "ingress",
			"ingress[0] anyone udp tcp"},
		{"ports[].port absent beats numbers",
			"{ingress: [{ports: [{port: 80}, {}, {port: 81}, {protocol: SCTP, port: 9}]}]}",
			"ingress", "ingress[0] anyone tcp sctp 9"},
		{"ports[] adjacent and overlapping", "{ingress: [{ports: [{port: 82, endPort: 90}, " +
			"{port: 80}, {port: 81}, {port: 85, endPort: 95}, {port: 97}]}]}", "ingress",
			"ingress[0] anyone tcp 80-95 97"},
		{"ports[] at both ends", "{ingress: [{ports: [{port: 65535}, {port: 1, endPort: 1}, " +
			"{port: 65534}]}]}", "ingress", "ingress[0] anyone tcp 1 65534-65535"},
		{"ports[].endPort all of them", "{ingress: [{ports: [{port: 1, endPort: 65535}]}]}",
			"ingress", "ingress[0] anyone tcp 1-65535"},
		{"ports[].port as a name",
			"{ingress: [{ports: [{port: web}, {protocol: UDP, port: dns-1}]}]}", "ingress",
			"ingress[0] anyone tcp:web udp:dns-1"},
		{"to and ports of a later rule", "{policyTypes: [Egress], egress: [{}, {to: " +
			"[{podSelector: {}}], ports: [{protocol: SCTP, port: 7}]}]}", "egress",
			"egress[0] anyone any\negress[1] (all pods in namespace a) sctp 7"},
	} {
		p := policy.Parse(netpol(t, "a/p "+row.spec))
		var isolates []string
		for _, d := range ruleset.Directions {
			if p.Isolates[d] {
				isolates = append(isolates, d.String())
			}
		}
		if got := strings.Join(isolates, " "); got != row.isolates || rulesText(p) != row.rules ||
			len(p.Problems) > 0 {
			t.Errorf("%s: isolates %s, problems %v, rules\n%s\nwant %s\n%s", row.field, got,
				p.Problems, rulesText(p), row.isolates, row.rules)
		}
	}
}
