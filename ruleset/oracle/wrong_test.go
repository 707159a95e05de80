package oracle

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Every entry here is wrong. With nothing else in its list it must match
// nothing; with a sound entry beside it, it must leave that one in force.

func TestWrongPeers(t *testing.T) {
	for _, peer := range []string{
		"{}",
		"{ipBlock: {cidr: 0.0.0.0/0}, podSelector: {}}",
		"{ipBlock: {cidr: 0.0.0.0/0}, namespaceSelector: {}}",
		"{ipBlock: {}}",
		"{ipBlock: {cidr: ''}}",
		"{ipBlock: {cidr: nonsense}}",
		"{ipBlock: {cidr: 10.244.1.4}}",
		"{ipBlock: {cidr: 10.244.1.4/33}}",
		"{ipBlock: {cidr: '::ffff:10.244.1.4/128'}}",
		"{ipBlock: {cidr: '::ffff:0:0/96'}}",
		"{ipBlock: {cidr: 'fe80::%eth0/64'}}",
		"{ipBlock: {cidr: 0.0.0.0/0, except: [nonsense]}}",
		"{ipBlock: {cidr: 0.0.0.0/0, except: [9.9.9.9/32, 9.9.9.9]}}",
		"{ipBlock: {cidr: 0.0.0.0/0, except: ['::ffff:9.9.9.9/128']}}",
		"{podSelector: {matchExpressions: [{key: app, operator: Near, values: [cli]}]}}",
		"{namespaceSelector: {matchExpressions: [{key: team, operator: In}]}}",
		"{namespaceSelector: {matchExpressions: [{key: team, operator: NotIn, values: []}]}}",
		"{namespaceSelector: {matchExpressions: [{key: team, operator: Exists, values: [green]}]}}",
		"{namespaceSelector: {matchExpressions: [{key: none, operator: DoesNotExist, values: [x]}]}}",
		"{namespaceSelector: {matchExpressions: [{key: '', operator: DoesNotExist}]}}",
		"{namespaceSelector: {matchExpressions: [{key: '', operator: NotIn, values: [x]}]}}",
		"{namespaceSelector: {matchLabels: {'': x}}}",
		"{namespaceSelector: {}, podSelector: {matchExpressions: [{key: app, operator: exists}]}}",
		"{namespaceSelector: {matchExpressions: [{key: team}]}, podSelector: {}}",
	} {
		table{{
			name: "alone: " + peer,
			policies: []string{"a/p {ingress: [{from: [" + peer + "]}], egress: [{to: [" + peer +
				"]}]}"},
			flows: `
				deny-ingress ab/cli > a/web TCP 80
				deny-ingress ab/cli@6 > a/web@6
				deny-both a/db > a/web TCP 80
				deny-egress a/web > ab/cli TCP 80
				deny-egress a/web > 8.8.8.8`,
		}, {
			name: "beside a sound one: " + peer,
			policies: []string{"a/p {ingress: [{from: [" + peer +
				", {namespaceSelector: {matchLabels: {team: green}}}]}]}"},
			flows: `
				allow ab/cli > a/web TCP 80
				deny-ingress b/lone > a/web TCP 80`,
		}}.run(t)
	}
}

func TestWrongPorts(t *testing.T) {
	for _, port := range []string{
		"{protocol: ICMP}",
		"{protocol: tcp, port: 80}",
		"{protocol: '', port: 80}",
		"{protocol: ''}",
		"{port: 0}",
		"{port: -1}",
		"{port: 65536}",
		"{port: 0, endPort: 80}",
		"{port: 80, endPort: 79}",
		"{port: 80, endPort: 65536}",
		"{port: 80, endPort: 0}",
		"{port: 80, endPort: -1}",
		"{endPort: 80}",
		"{port: web, endPort: 80}",
		"{port: ''}",
		"{port: '80'}",
		"{port: Web}",
		"{port: a--b}",
	} {
		table{{
			name: "alone: " + port,
			change: func(w *World) {
				c := &w.pod("a/web").Spec.Containers[0]
				c.Ports = append(c.Ports, container("Web 80 TCP", "80 80 TCP", "a--b 80 TCP",
					" 80 TCP").Ports...)
			},
			policies: []string{"a/p {ingress: [{ports: [" + port + "]}], egress: [{ports: [" +
				port + "]}]}"},
			flows: `
				deny-ingress ab/cli > a/web TCP 80
				deny-ingress ab/cli > a/web UDP 80
				deny-ingress ab/cli > a/web TCP 65535
				deny-ingress ab/cli > a/web
				deny-egress a/web > ab/cli TCP 80
				deny-egress a/web > 8.8.8.8`,
		}, {
			name:     "beside a sound one: " + port,
			policies: []string{"a/p {ingress: [{ports: [" + port + ", {port: 81}]}]}"},
			flows: `
				allow ab/cli > a/web TCP 81
				deny-ingress ab/cli > a/web TCP 80
				deny-ingress ab/cli > a/web`,
		}}.run(t)
	}
}

// A port that decodes neither as a number nor as a name cannot come from YAML.
func TestWrongPortType(t *testing.T) {
	w := cluster()
	p := policy(t, "a/p {podSelector: {}}")
	port := &intstr.IntOrString{Type: 7, IntVal: 80, StrVal: "web"}
	p.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{Ports: []networkingv1.NetworkPolicyPort{{Port: port}}}}
	w.Policies = append(w.Policies, p)
	check(t, w, "deny-ingress ab/cli > a/web TCP 80")
}

func TestWrongPolicyTypes(t *testing.T) {
	for _, types := range []string{"[Sideways]", "['']", "[ingress]", "[Ingress, egress]",
		"[Egress, Egress, Up]"} {
		table{{
			name:     "isolates in both directions: " + types,
			policies: []string{"a/p {policyTypes: " + types + "}"},
			flows: `
				deny-ingress ab/cli > a/web TCP 80
				deny-egress a/web > ab/cli TCP 80`,
		}, {
			name: "its rules of both directions count: " + types,
			policies: []string{"a/p {policyTypes: " + types +
				", ingress: [{ports: [{port: 80}]}], egress: [{ports: [{port: 81}]}]}"},
			flows: `
				allow ab/cli > a/web TCP 80
				deny-ingress ab/cli > a/web TCP 81
				allow a/web > ab/cli TCP 81
				deny-egress a/web > ab/cli TCP 80`,
		}}.run(t)
	}
}

func TestWrongSubjects(t *testing.T) {
	for _, part := range []string{
		"{key: app, operator: Near, values: [web]}",
		"{key: app}",
		"{key: app, operator: In}",
		"{key: app, operator: NotIn}",
		"{key: none, operator: Exists, values: [x]}",
		"{key: app, operator: DoesNotExist, values: [x]}",
		"{key: '', operator: Exists}",
		"{key: '', operator: In, values: [x]}",
	} {
		table{{
			name: "isolates all, allows nothing: " + part,
			policies: []string{"a/p {podSelector: {matchExpressions: [" + part +
				"]}, ingress: [{}], egress: [{}]}"},
			flows: `
				deny-ingress ab/cli > a/web TCP 80
				deny-ingress ab/cli > a/db TCP 80
				deny-egress a/web > ab/cli TCP 80
				allow ab/cli > b/lone TCP 80`,
		}, {
			name: "isolates what the valid parts select: " + part,
			policies: []string{"a/p {podSelector: {matchLabels: {app: web}, matchExpressions: [" +
				part + ", {key: tier, operator: DoesNotExist}]}, ingress: [{}]}"},
			flows: `
				deny-ingress ab/cli > a/web TCP 80
				allow ab/cli > a/db TCP 80
				allow a/web > ab/cli TCP 80`,
		}, {
			name: "leaves other policies in force: " + part,
			policies: []string{"a/p {podSelector: {matchExpressions: [" + part + "]}}",
				"a/q {ingress: [{ports: [{port: 80}]}]}"},
			flows: `
				allow ab/cli > a/web TCP 80
				deny-ingress ab/cli > a/web TCP 81`,
		}}.run(t)
	}
	table{{
		name:     "matchLabels with an empty key is such a part",
		policies: []string{"a/p {podSelector: {matchLabels: {'': web}}, ingress: [{}]}"},
		flows:    "deny-ingress ab/cli > a/web TCP 80",
	}}.run(t)
}
