package oracle

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestPeers(t *testing.T) {
	table{{
		name:     "from and to absent: every peer",
		policies: []string{"a/p {ingress: [{ports: [{port: 80}]}], egress: [{ports: [{port: 80}]}]}"},
		flows: `
			allow b/lone > a/web TCP 80
			allow 8.8.8.8 > a/web TCP 80
			allow n2 > a/web TCP 80
			allow a/web > 8.8.8.8 TCP 80
			allow a/web@6 > 2001:db8::1 TCP 80
			allow a/web > n2 TCP 80
			deny-egress a/web > n2 TCP 81`,
	}, {
		name:     "from and to empty: as absent",
		policies: []string{"a/p {ingress: [{from: []}], egress: [{to: []}]}"},
		flows: `
			allow 8.8.8.8 > a/web
			allow a/web > 8.8.8.8`,
	}, {
		name: "from.podSelector alone: the policy's own namespace",
		policies: []string{"a/p {podSelector: {matchLabels: {app: db}}, ingress: [{from: " +
			"[{podSelector: {matchLabels: {app: web}}}]}]}"},
		flows: `
			allow a/web > a/db TCP 80
			allow a/web@6 > a/db@6
			deny-ingress ab/web > a/db TCP 80
			deny-ingress a/api > a/db TCP 80
			deny-ingress 8.8.8.8 > a/db TCP 80`,
	}, {
		name:     "from.podSelector empty: all pods of the own namespace, and no address else",
		policies: []string{"a/p {ingress: [{from: [{podSelector: {}}]}]}"},
		flows: `
			allow a/api > a/db TCP 80
			deny-ingress b/lone > a/db TCP 80
			deny-ingress 8.8.8.8 > a/db TCP 80
			deny-ingress n1 > a/db TCP 80`,
	}, {
		name:     "from.namespaceSelector alone: all pods of those namespaces",
		policies: []string{"a/p {ingress: [{from: [{namespaceSelector: {matchLabels: {team: green}}}]}]}"},
		flows: `
			allow ab/cli > a/web TCP 80
			allow ab/web > a/web TCP 80
			deny-ingress a/db > a/web TCP 80
			deny-ingress b/lone > a/web TCP 80`,
	}, {
		name:     "from.namespaceSelector empty: all pods, and no address else",
		policies: []string{"a/p {ingress: [{from: [{namespaceSelector: {}}]}]}"},
		flows: `
			allow ab/cli > a/web TCP 80
			allow b/lone > a/web TCP 80
			allow a/db > a/web TCP 80
			deny-ingress n2 > a/web TCP 80
			deny-ingress 8.8.8.8 > a/web TCP 80`,
	}, {
		name: "from.namespaceSelector with podSelector: both must hold",
		policies: []string{"a/p {ingress: [{from: [{namespaceSelector: {matchLabels: {team: " +
			"green}}, podSelector: {matchLabels: {app: web}}}]}]}"},
		flows: `
			allow ab/web > a/db TCP 80
			deny-ingress ab/cli > a/db TCP 80
			deny-ingress a/web > a/db TCP 80`,
	}, {
		name: "from.namespaceSelector beside podSelector, as two entries: either",
		policies: []string{"a/p {ingress: [{from: [{namespaceSelector: {matchLabels: {team: " +
			"green}}}, {podSelector: {matchLabels: {app: web}}}]}]}"},
		flows: `
			allow ab/cli > a/db TCP 80
			allow a/web > a/db TCP 80
			deny-ingress a/api > a/db TCP 80`,
	}, {
		name: "from.namespaceSelector does not read the pod's labels, nor podSelector the " +
			"namespace's",
		policies: []string{"a/p {ingress: [{from: [{namespaceSelector: {matchLabels: {app: " +
			"web}}}, {podSelector: {matchLabels: {team: blue}}}]}]}"},
		flows: `
			deny-ingress ab/web > a/db TCP 80
			deny-ingress a/web > a/db TCP 80`,
	}, {
		name: "to: the same entries",
		policies: []string{"a/p {policyTypes: [Egress], egress: [{to: [{podSelector: " +
			"{matchLabels: {app: db}}}, {namespaceSelector: {matchLabels: {team: green}}, " +
			"podSelector: {matchLabels: {app: web}}}]}]}"},
		flows: `
			allow a/web > a/db TCP 80
			allow a/web > ab/web TCP 80
			deny-egress a/web > a/api TCP 80
			deny-egress a/web > ab/cli TCP 80
			deny-egress a/web > 8.8.8.8 TCP 80`,
	}, {
		name: "kubernetes.io/metadata.name: a namespace that is no object has it",
		policies: []string{"a/p {ingress: [{from: [{namespaceSelector: {matchLabels: " +
			"{kubernetes.io/metadata.name: b}}}]}]}"},
		flows: `
			allow b/lone > a/web TCP 80
			deny-ingress ab/web > a/web TCP 80`,
	}, {
		name: "kubernetes.io/metadata.name: an object without it too",
		policies: []string{"a/p {ingress: [{from: [{namespaceSelector: {matchLabels: " +
			"{kubernetes.io/metadata.name: ab}}}]}]}"},
		flows: `
			allow ab/web > a/web TCP 80
			deny-ingress b/lone > a/web TCP 80`,
	}, {
		name:   "kubernetes.io/metadata.name: another value of an object counts for nothing",
		change: func(w *World) { w.Namespaces[1].Labels[corev1.LabelMetadataName] = "b" },
		policies: []string{"a/p {ingress: [{from: [{namespaceSelector: {matchLabels: " +
			"{kubernetes.io/metadata.name: b}}}]}]}"},
		flows: `
			deny-ingress ab/web > a/web TCP 80
			allow b/lone > a/web TCP 80`,
	}}.run(t)
}

func TestIPBlocks(t *testing.T) {
	table{{
		name: "ipBlock: outside, nodes and pods alike",
		policies: []string{"a/p {podSelector: {matchLabels: {app: db}}, ingress: [{from: " +
			"[{ipBlock: {cidr: 8.8.8.0/24}}, {ipBlock: {cidr: 10.77.0.11/32}}, {ipBlock: {cidr: " +
			"10.244.1.2/32}}]}]}"},
		flows: `
			allow 8.8.8.8 > a/db TCP 80
			deny-ingress 8.8.9.8 > a/db TCP 80
			allow n1 > a/db TCP 80
			allow a/web > a/db
			deny-ingress a/api > a/db
			deny-ingress a/web@6 > a/db@6`,
	}, {
		name: "ipBlock: leading zeros are decimal, in cidr and except",
		policies: []string{"a/p {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: " +
			"010.0.0.0/08, except: [10.010.0.0/016]}}]}]}"},
		flows: `
			allow a/web > 10.8.0.1
			deny-egress a/web > 8.8.8.8
			deny-egress a/web > 10.10.0.1`,
	}, {
		name: "ipBlock.cidr: its first and last address, and those beside it",
		policies: []string{"a/p {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: " +
			"192.0.2.8/29}}, {ipBlock: {cidr: '2001:db8::8/125'}}]}]}"},
		flows: `
			deny-egress a/web > 192.0.2.7
			allow a/web > 192.0.2.8
			allow a/web > 192.0.2.15
			deny-egress a/web > 192.0.2.16
			deny-egress a/web@6 > 2001:db8::7
			allow a/web@6 > 2001:db8::8
			allow a/web@6 > 2001:db8::f
			deny-egress a/web@6 > 2001:db8::10`,
	}, {
		name: "ipBlock.cidr: host bits are masked off",
		policies: []string{"a/p {ingress: [{from: [{ipBlock: {cidr: 192.0.2.13/29, except: " +
			"[192.0.2.11/31]}}]}]}"},
		flows: `
			allow 192.0.2.8 > a/web
			deny-ingress 192.0.2.10 > a/web
			deny-ingress 192.0.2.11 > a/web
			allow 192.0.2.12 > a/web`,
	}, {
		name: "ipBlock.except: the only entry, and overlapping ones",
		policies: []string{"a/p {ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/16, except: " +
			"[10.244.2.0/24, 10.244.2.0/30, 10.244.1.4/32]}}]}]}"},
		flows: `
			allow a/api > a/web
			deny-ingress a/db > a/web
			deny-ingress b/lone > a/web
			deny-ingress ab/cli > a/web
			deny-ingress 8.8.8.8 > a/web`,
	}, {
		name: "ipBlock.except: takes nothing away from another entry",
		policies: []string{"a/p {ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/16, except: " +
			"[10.244.2.0/24]}}, {ipBlock: {cidr: 10.244.2.3/32}}, {podSelector: {matchLabels: " +
			"{app: db}}}]}]}"},
		flows: `
			allow ab/web > a/web
			allow a/db > a/web
			deny-ingress b/lone > a/web`,
	}, {
		name: "ipBlock.except: each other's cidr: nothing of the union is lost",
		policies: []string{"a/p {ingress: [{from: [{ipBlock: {cidr: 10.244.0.0/16, except: " +
			"[10.244.2.0/24]}}, {ipBlock: {cidr: 10.244.2.0/24, except: [10.244.2.2/31]}}]}]}"},
		flows: `
			allow a/api > a/web
			deny-ingress a/db > a/web
			deny-ingress ab/web > a/web
			allow b/lone > a/web`,
	}, {
		name: "ipBlock.except: the cidr itself, beside an entry for it",
		policies: []string{"a/p {ingress: [{from: [{ipBlock: {cidr: 8.8.8.0/24, except: " +
			"[8.8.8.0/24]}}]}]}", "ab/p {ingress: [{from: [{ipBlock: {cidr: 8.8.8.0/24, except: " +
			"[8.8.8.0/24]}}, {ipBlock: {cidr: 8.8.8.0/24}}]}]}"},
		flows: `
			deny-ingress 8.8.8.8 > a/web
			allow 8.8.8.8 > ab/web`,
	}, {
		name: "ipBlock.except: another policy or rule allows what it took away",
		policies: []string{"a/p {ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, except: " +
			"[8.8.8.8/32]}}]}, {ports: [{port: 80}], from: [{ipBlock: {cidr: 8.8.8.8/32}}]}]}"},
		flows: `
			allow 8.8.8.8 > a/web TCP 80
			deny-ingress 8.8.8.8 > a/web TCP 81
			allow 8.8.8.9 > a/web TCP 81`,
	}, {
		name: "ipBlock.except outside its cidr: takes nothing away",
		policies: []string{"a/p {ingress: [{from: [{ipBlock: {cidr: 8.8.8.0/24, except: " +
			"[9.9.9.0/24, '::/0']}}]}]}"},
		flows: "allow 8.8.8.8 > a/web",
	}, {
		name:     "ipBlock.cidr 0.0.0.0/0: all of IPv4, and only that",
		policies: []string{"a/p {ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}"},
		flows: `
			allow 8.8.8.8 > a/web
			allow 255.255.255.254 > a/web
			allow b/lone > a/web
			allow n2 > a/web
			deny-ingress b/lone@6 > a/web@6`,
	}, {
		name: "ipBlock.cidr ::/0: all of IPv6, and only that",
		policies: []string{"a/p {policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: " +
			"'::/0'}}], ports: [{port: 53, protocol: UDP}]}]}"},
		flows: `
			allow a/web@6 > 2001:db8::1 UDP 53
			allow a/web@6 > 64:ff9b::808:808 UDP 53
			allow a/web@6 > fe80::1 UDP 53
			allow a/web@6 > fc00::1 UDP 53
			allow a/web@6 > b/lone@6 UDP 53
			deny-egress a/web@6 > 2001:db8::1 TCP 53
			deny-egress a/web > 8.8.8.8 UDP 53`,
	}}.run(t)
}
