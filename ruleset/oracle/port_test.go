package oracle

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestPorts(t *testing.T) {
	table{{
		name: "ports absent or empty: every protocol, ICMP too",
		policies: []string{"a/p {ingress: [{from: [{podSelector: {}}]}]}",
			"ab/p {ingress: [{ports: []}]}"},
		flows: `
			allow a/db > a/web
			allow a/db > a/web SCTP 9
			allow a/db > ab/web
			allow a/db > ab/web UDP 65535`,
	}, {
		name:     "ports.protocol absent: TCP",
		policies: []string{"a/p {ingress: [{ports: [{port: 80}]}]}"},
		flows: `
			allow a/db > a/web TCP 80
			deny-ingress a/db > a/web TCP 79
			deny-ingress a/db > a/web TCP 81
			deny-ingress a/db > a/web UDP 80
			deny-ingress a/db > a/web SCTP 80
			deny-ingress a/db > a/web`,
	}, {
		name: "ports.port absent: every port of the protocol",
		policies: []string{"a/p {ingress: [{ports: [{protocol: UDP}]}]}",
			"ab/p {ingress: [{ports: [{}]}]}"},
		flows: `
			allow a/db > a/web UDP 1
			allow a/db > a/web UDP 65535
			deny-ingress a/db > a/web TCP 1
			deny-ingress a/db > a/web
			allow a/db > ab/web TCP 9
			deny-ingress a/db > ab/web UDP 9
			deny-ingress a/db > ab/web`,
	}, {
		name: "ports.protocol SCTP and UDP on one number",
		policies: []string{"a/p {policyTypes: [Egress], egress: [{ports: [{protocol: SCTP, port: " +
			"7}, {protocol: UDP, port: 7}]}]}"},
		flows: `
			allow a/db > 8.8.8.8 SCTP 7
			allow a/db > 8.8.8.8 UDP 7
			deny-egress a/db > 8.8.8.8 TCP 7`,
	}, {
		name: "ports.endPort: both ends are in, and a range of one",
		policies: []string{"a/p {ingress: [{ports: [{port: 80, endPort: 82}, {port: 90, endPort: " +
			"90}, {port: 65534, endPort: 65535}]}]}"},
		flows: `
			deny-ingress a/db > a/web TCP 79
			allow a/db > a/web TCP 80
			allow a/db > a/web TCP 81
			allow a/db > a/web TCP 82
			deny-ingress a/db > a/web TCP 83
			allow a/db > a/web TCP 90
			deny-ingress a/db > a/web TCP 91
			allow a/db > a/web TCP 65535`,
	}, {
		name: "ports and from: both must match, in one rule",
		policies: []string{"a/p {ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}, " +
			"{from: [{ipBlock: {cidr: 8.8.8.8/32}}], ports: [{port: 81}]}]}"},
		flows: `
			allow a/db > a/web TCP 80
			deny-ingress a/db > a/web TCP 81
			deny-ingress 8.8.8.8 > a/web TCP 80
			allow 8.8.8.8 > a/web TCP 81`,
	}}.run(t)
}

func TestNamedPorts(t *testing.T) {
	table{{
		name:     "ingress: looked up in the subject, so it means other numbers for other pods",
		policies: []string{"a/p {ingress: [{ports: [{port: web}]}]}"},
		flows: `
			allow ab/cli > a/web TCP 80
			deny-ingress ab/cli > a/web TCP 8080
			allow ab/cli > a/api TCP 8080
			deny-ingress ab/cli > a/api TCP 80
			deny-ingress ab/cli > a/web UDP 80
			deny-ingress ab/cli > a/db TCP 80
			deny-ingress ab/web > a/db TCP 80`,
	}, {
		name: "ingress: whatever the peers are, an ipBlock too",
		policies: []string{"a/p {ingress: [{from: [{ipBlock: {cidr: 8.8.8.0/24}}, {podSelector: " +
			"{matchLabels: {app: db}}}], ports: [{port: web}]}]}"},
		flows: `
			allow 8.8.8.8 > a/web TCP 80
			allow a/db > a/web TCP 80
			deny-ingress 8.8.8.8 > a/web TCP 8080
			allow 8.8.8.8 > a/api TCP 8080
			deny-ingress ab/cli > a/web TCP 80`,
	}, {
		name: "name and protocol must both match; TCP is the default on both sides",
		policies: []string{"a/p {ingress: [{ports: [{port: dns}]}]}",
			"ab/p {ingress: [{ports: [{port: web}]}]}",
			"a/q {podSelector: {matchLabels: {app: api}}, ingress: [{ports: [{port: web, " +
				"protocol: UDP}]}]}"},
		flows: `
			deny-ingress ab/cli > a/web TCP 53
			deny-ingress ab/cli > a/web UDP 53
			allow a/db > ab/web TCP 80
			deny-ingress ab/cli > a/api TCP 8080
			deny-ingress ab/cli > a/api UDP 8080`,
	}, {
		name:     "protocol UDP",
		policies: []string{"a/p {ingress: [{ports: [{port: dns, protocol: UDP}]}]}"},
		flows: `
			allow ab/cli > a/web UDP 53
			allow ab/web@6 > a/web@6 UDP 53
			deny-ingress ab/cli > a/web TCP 53`,
	}, {
		name:     "a native sidecar's port counts, a plain init container's does not",
		policies: []string{"a/p {ingress: [{ports: [{port: metrics}, {port: setup}]}]}"},
		flows: `
			allow ab/cli > a/api TCP 9090
			deny-ingress ab/cli > a/api TCP 7000
			deny-ingress ab/cli > a/web TCP 9090`,
	}, {
		name: "an init container that restarts on failure is a plain one",
		change: func(w *World) {
			onFailure := corev1.ContainerRestartPolicyOnFailure
			w.pod("a/api").Spec.InitContainers[0].RestartPolicy = &onFailure
		},
		policies: []string{"a/p {ingress: [{ports: [{port: setup}]}]}"},
		flows:    "deny-ingress ab/cli > a/api TCP 7000",
	}, {
		name: "one name twice in a pod: either number",
		change: func(w *World) {
			p := w.pod("a/web")
			p.Spec.Containers = append(p.Spec.Containers, container("web 81 TCP"))
		},
		policies: []string{"a/p {ingress: [{ports: [{port: web}]}]}"},
		flows: `
			allow ab/cli > a/web TCP 80
			allow ab/cli > a/web TCP 81`,
	}, {
		name: "a name that no pod has: matches nothing, and the rest of the ports works",
		policies: []string{"a/p {ingress: [{ports: [{port: nobody}, {port: 81}]}], egress: " +
			"[{ports: [{port: nobody}]}]}"},
		flows: `
			deny-ingress ab/cli > a/web TCP 80
			allow ab/cli > a/web TCP 81
			deny-ingress ab/cli > a/web
			deny-egress a/web > ab/web TCP 80
			deny-egress a/web > 8.8.8.8 TCP 80`,
	}, {
		name: "egress: looked up in each peer pod",
		policies: []string{"b/p {policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}}], " +
			"ports: [{port: web}]}]}"},
		flows: `
			allow b/lone > a/web TCP 80
			deny-egress b/lone > a/web TCP 8080
			allow b/lone > a/api TCP 8080
			deny-egress b/lone > a/api TCP 80
			allow b/lone@6 > ab/web@6 TCP 80
			deny-egress b/lone > a/db TCP 80
			deny-egress b/lone > 8.8.8.8 TCP 80`,
	}, {
		name: "egress: only in peers that the rule selects",
		policies: []string{"b/p {policyTypes: [Egress], egress: [{to: [{namespaceSelector: {}, " +
			"podSelector: {matchLabels: {app: web}}}], ports: [{port: web}]}]}"},
		flows: `
			allow b/lone > a/web TCP 80
			allow b/lone > ab/web TCP 80
			deny-egress b/lone > a/api TCP 8080
			deny-egress b/lone > a/host TCP 80`,
	}, {
		name:     "egress, to absent: every pod that has the name",
		policies: []string{"b/p {policyTypes: [Egress], egress: [{ports: [{port: web}]}]}"},
		flows: `
			allow b/lone > a/web TCP 80
			allow b/lone > a/api TCP 8080
			deny-egress b/lone > a/api TCP 80
			deny-egress b/lone > 8.8.8.8 TCP 80
			deny-egress b/lone > n1 TCP 80`,
	}, {
		name: "egress, to.ipBlock: matches nothing",
		policies: []string{"b/p {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: " +
			"0.0.0.0/0}}], ports: [{port: web}, {port: 81}]}]}"},
		flows: `
			deny-egress b/lone > a/web TCP 80
			allow b/lone > a/web TCP 81
			deny-egress b/lone > 8.8.8.8 TCP 80`,
	}, {
		name: "egress, to.ipBlock beside a selector: the selector's pods only",
		policies: []string{"b/p {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: " +
			"0.0.0.0/0}}, {namespaceSelector: {matchLabels: {team: blue}}}], ports: [{port: web}]}]}"},
		flows: `
			allow b/lone > a/web TCP 80
			deny-egress b/lone > ab/web TCP 80`,
	}, {
		name:     "egress: a completed pod has no names",
		change:   func(w *World) { w.pod("a/web").Status.Phase = corev1.PodSucceeded },
		policies: []string{"b/p {policyTypes: [Egress], egress: [{ports: [{port: web}]}]}"},
		flows: `
			deny-egress b/lone > a/web TCP 80
			allow b/lone > ab/web TCP 80`,
	}, {
		name: "a hostNetwork pod's names count on neither side",
		change: func(w *World) {
			w.pod("a/host").Spec.Containers = []corev1.Container{container("web 80 TCP")}
		},
		policies: []string{"b/p {policyTypes: [Egress], egress: [{ports: [{port: web}]}]}"},
		flows:    "deny-egress b/lone > a/host TCP 80",
	}}.run(t)
}

func TestPortNames(t *testing.T) {
	for _, name := range []string{"web", "a", "x-1", "1a", "a-b-c", "abcdefghijklmno"} {
		if !isPortName(name) {
			t.Errorf("ports.port %q: not a name", name)
		}
	}
	for _, name := range append(badPortNames(), "", "-", "8-0", "wéb", "a b") {
		if isPortName(name) {
			t.Errorf("ports.port %q: taken for a name", name)
		}
	}
}
