package oracle

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

const denyBoth = "{podSelector: {}, policyTypes: [Ingress, Egress]}"

func TestSubjects(t *testing.T) {
	table{{
		name: "no policies: everything is free",
		flows: `
			allow a/db > a/web TCP 80
			allow a/db@6 > a/web@6
			allow 8.8.8.8 > a/web UDP 53
			allow n2 > a/web TCP 80`,
	}, {
		name:     "spec.podSelector empty: all pods of the policy's own namespace",
		policies: []string{"a/p {podSelector: {}}"},
		flows: `
			deny-ingress b/lone > a/web TCP 80
			deny-ingress b/lone > a/api TCP 80
			deny-ingress a/web > a/db TCP 80
			allow a/web > ab/web TCP 80
			allow a/web > b/lone TCP 80`,
	}, {
		name:     "spec.podSelector absent: the same as empty",
		policies: []string{"a/p {policyTypes: [Ingress]}"},
		flows: `
			deny-ingress b/lone > a/web TCP 80
			allow b/lone > ab/web TCP 80`,
	}, {
		name:     "spec.podSelector.matchLabels: those pods only, in that namespace only",
		policies: []string{"a/p {podSelector: {matchLabels: {app: web}}}"},
		flows: `
			deny-ingress b/lone > a/web TCP 80
			allow b/lone > a/api TCP 80
			allow b/lone > ab/web TCP 80`,
	}, {
		name:     "spec.podSelector that selects nobody: no effect",
		policies: []string{"a/p {podSelector: {matchLabels: {app: none}}}"},
		flows:    "allow b/lone > a/web TCP 80",
	}, {
		name: "spec.podSelector.matchLabels: the value is a plain string",
		policies: []string{"a/p {podSelector: {matchLabels: {app: 'w*'}}}",
			"a/q {podSelector: {matchLabels: {app: ''}}}"},
		flows: "allow b/lone > a/web TCP 80",
	}, {
		name:     "status.podIPs: every address of a pod counts",
		policies: []string{"a/p " + denyBoth},
		flows: `
			deny-ingress b/lone > a/web TCP 80
			deny-ingress b/lone@6 > a/web@6 TCP 80
			deny-egress a/web > 8.8.8.8 TCP 80
			deny-egress a/web@6 > 2001:db8::1 TCP 80`,
	}, {
		name: "status.podIP: counts beside status.podIPs, and alone",
		change: func(w *World) {
			w.pod("a/web").Status.PodIP = "10.244.1.9"
			w.pod("a/api").Status.PodIPs = nil
		},
		policies: []string{"a/p " + denyBoth},
		flows: `
			deny-ingress b/lone > 10.244.1.9 TCP 80
			deny-ingress b/lone > 10.244.1.2 TCP 80
			deny-ingress b/lone > 10.244.1.3 TCP 80
			allow b/lone@6 > fd00:10:244:1::3 TCP 80`,
	}, {
		name: "status.phase: Succeeded and Failed pods are neither subject nor peer",
		change: func(w *World) {
			w.pod("a/web").Status.Phase = corev1.PodSucceeded
			w.pod("a/db").Status.Phase = corev1.PodFailed
			w.pod("b/lone").Status.Phase = corev1.PodPending
		},
		policies: []string{"a/p {ingress: [{from: [{namespaceSelector: {}}]}]}"},
		flows: `
			allow ab/cli > a/web TCP 80
			deny-ingress a/web > a/api TCP 80
			deny-ingress a/db > a/api TCP 80
			allow ab/cli > a/api TCP 80
			allow b/lone > a/api TCP 80`,
	}, {
		name:     "metadata.deletionTimestamp: a pod counts until it is gone",
		change:   func(w *World) { w.pod("a/web").DeletionTimestamp = second(1) },
		policies: []string{"a/p {ingress: [{from: [{podSelector: {}}]}]}"},
		flows: `
			deny-ingress ab/cli > a/web TCP 80
			allow a/web > a/api TCP 80`,
	}, {
		name: "metadata.deletionTimestamp of the namespace: its policies stay in force",
		change: func(w *World) {
			w.Namespaces[0].DeletionTimestamp = second(1)
			w.Namespaces[0].Status.Phase = corev1.NamespaceTerminating
		},
		policies: []string{"a/p {podSelector: {}}"},
		flows:    "deny-ingress ab/cli > a/web TCP 80",
	}}.run(t)
}

func TestUnusableAddresses(t *testing.T) {
	for _, ip := range badAddresses() {
		w := cluster()
		setIPs(w.pod("a/web"), ip)
		if got := podAddresses(w.pod("a/web")); got != nil {
			t.Errorf("status.podIP %q: got %v, want no address", ip, got)
		}
	}
	for _, ip := range []string{"10.244.1.2", "fd00::1", "fe80::1", "169.254.1.1"} {
		if _, ok := usableAddress(ip); !ok {
			t.Errorf("status.podIP %q: does not count", ip)
		}
	}
}

func TestIsolation(t *testing.T) {
	table{{
		name:     "spec.policyTypes absent: ingress, and not egress",
		policies: []string{"a/p {podSelector: {}}"},
		flows: `
			deny-ingress ab/cli > a/web TCP 80
			allow a/web > ab/cli TCP 80`,
	}, {
		name:     "spec.policyTypes empty: as absent",
		policies: []string{"a/p {policyTypes: [], egress: []}"},
		flows: `
			deny-ingress ab/cli > a/web TCP 80
			allow a/web > ab/cli TCP 80`,
	}, {
		name:     "spec.policyTypes absent, spec.egress with a rule: both",
		policies: []string{"a/p {egress: [{to: [{podSelector: {}}]}]}"},
		flows: `
			deny-ingress ab/cli > a/web TCP 80
			deny-egress a/web > ab/cli TCP 80
			deny-ingress a/web > a/db TCP 80`,
	}, {
		name:     "spec.policyTypes [Egress]: egress alone",
		policies: []string{"a/p {policyTypes: [Egress]}"},
		flows: `
			allow ab/cli > a/web TCP 80
			deny-egress a/web > ab/cli TCP 80
			deny-egress a/web > a/db`,
	}, {
		name:     "spec.policyTypes [Ingress]: spec.egress is not read",
		policies: []string{"a/p {policyTypes: [Ingress], egress: [{ports: [{port: 1}]}]}"},
		flows:    "allow a/web > ab/cli TCP 80",
	}, {
		name:     "spec.policyTypes [Egress]: spec.ingress is not read",
		policies: []string{"a/p {policyTypes: [Egress], ingress: [{}]}", "a/q {podSelector: {}}"},
		flows:    "deny-ingress ab/cli > a/web TCP 80",
	}, {
		name: "spec.ingress [] and [{}]",
		policies: []string{"a/p {podSelector: {matchLabels: {app: web}}, ingress: []}",
			"a/q {podSelector: {matchLabels: {app: api}}, ingress: [{}]}"},
		flows: `
			deny-ingress ab/cli > a/web
			allow ab/cli > a/api
			allow ab/cli > a/api SCTP 7
			allow 2001:db8::1 > a/api@6 UDP 53`,
	}, {
		name: "spec.egress [] and [{}]",
		policies: []string{"a/p {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], " +
			"egress: []}", "a/q {podSelector: {matchLabels: {app: api}}, policyTypes: [Egress], " +
			"egress: [{}]}"},
		flows: `
			deny-egress a/web > ab/cli
			allow a/api > ab/cli
			allow a/api > 8.8.8.8 SCTP 7
			allow a/api@6 > 2001:db8::1 UDP 53`,
	}, {
		name: "several policies: what any rule of any of them allows",
		policies: []string{
			"a/deny {podSelector: {}}",
			"a/one {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}, " +
				"{ports: [{port: 81}]}]}",
			"a/two {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: " +
				"{matchLabels: {app: db}}}]}]}",
		},
		flows: `
			allow ab/cli > a/web TCP 80
			allow ab/cli > a/web TCP 81
			deny-ingress ab/cli > a/web TCP 82
			allow a/db > a/web TCP 82
			deny-ingress a/db > a/api TCP 80`,
	}, {
		name: "both halves must allow",
		policies: []string{"a/p {policyTypes: [Egress], egress: [{ports: [{port: 80}]}]}",
			"ab/p {ingress: [{ports: [{port: 81}]}]}"},
		flows: `
			deny-ingress a/web > ab/web TCP 80
			deny-egress a/web > ab/web TCP 81
			deny-both a/web > ab/web TCP 82
			allow ab/cli > a/web TCP 82`,
	}}.run(t)
}
