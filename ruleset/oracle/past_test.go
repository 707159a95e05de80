package oracle

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// Cases that systems of this kind got wrong and that no other table has.
func TestPastMistakes(t *testing.T) {
	table{{
		name: "egress that A's policy allows does not skip B's ingress on the same node",
		policies: []string{"a/p {podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], " +
			"egress: [{}]}", "a/q {podSelector: {matchLabels: {app: api}}}"},
		flows: `
			deny-ingress a/web > a/api TCP 8080
			allow a/web > ab/cli TCP 80`,
	}, {
		name: "a completed pod's address, reused by a running one",
		change: func(w *World) {
			w.pod("a/db").Status.Phase = corev1.PodSucceeded
			w.pod("a/db").Status.StartTime = second(9)
			setIPs(w.pod("ab/web"), "10.244.2.2", "fd00:10:244:2::2")
		},
		policies: []string{"a/p {ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]}",
			"ab/p {podSelector: {matchLabels: {app: web}}}"},
		flows: `
			deny-ingress 10.244.2.2 > a/web TCP 80
			deny-ingress a/web > 10.244.2.2 TCP 80
			deny-ingress a/web@6 > fd00:10:244:2::2`,
	}, {
		name:     "namespace a, policy bc beside namespace ab, policy c",
		policies: []string{"a/bc {podSelector: {}}", "ab/c {ingress: [{ports: [{port: 80}]}]}"},
		flows: `
			deny-ingress b/lone > a/web TCP 80
			allow b/lone > ab/web TCP 80
			deny-ingress b/lone > ab/web TCP 81`,
	}, {
		name:     "IPv6 DNS",
		policies: []string{"a/p {policyTypes: [Egress], egress: [{ports: [{port: 53, protocol: UDP}]}]}"},
		flows: `
			allow a/web > 8.8.8.8 UDP 53
			allow a/web@6 > 2001:db8::53 UDP 53
			deny-egress a/web@6 > 2001:db8::53 TCP 53`,
	}, {
		name:     "from: with entries of which none matches is not from: without entries",
		policies: []string{"a/p {ingress: [{from: [{podSelector: {matchLabels: {app: none}}}]}]}"},
		flows: `
			deny-ingress a/db > a/web TCP 80
			deny-ingress 8.8.8.8 > a/web`,
	}}.run(t)
}

// The decoders leave an empty list nil or not; both forms deny.
func TestNilRules(t *testing.T) {
	for _, rules := range [][]networkingv1.NetworkPolicyIngressRule{nil, {}} {
		w := cluster()
		p := policy(t, "a/p {podSelector: {}}")
		p.Spec.Ingress = rules
		w.Policies = append(w.Policies, p)
		check(t, w, "deny-ingress ab/cli > a/web TCP 80")
	}
}

// The verdict follows each change of an object, in either direction.
func TestChanges(t *testing.T) {
	w := cluster()
	w.Policies = append(w.Policies, policy(t,
		"a/p {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{namespaceSelector: "+
			"{matchLabels: {team: green}}, podSelector: {matchLabels: {app: web}}}], ports: "+
			"[{port: 80}]}]}"))
	const flow = " ab/web > a/web TCP 80"
	for _, step := range []struct {
		name   string
		change func()
		want   string
	}{
		{"at first", func() {}, "allow"},
		{"the peer edited out of podSelector", func() {
			w.pod("ab/web").Labels = labelSet("app=x")
		}, "deny-ingress"},
		{"and back in", func() { w.pod("ab/web").Labels = labelSet("app=web") }, "allow"},
		{"its namespace edited out of namespaceSelector", func() {
			w.Namespaces[1].Labels = labelSet("team=red")
		}, "deny-ingress"},
		{"its namespace not seen yet", func() { w.Namespaces = w.Namespaces[:1] }, "deny-ingress"},
		{"its namespace seen, with the label", func() {
			w.Namespaces = append(w.Namespaces, namespace("ab", "team=green"))
		}, "allow"},
		{"the rule edited away", func() { w.Policies[0].Spec.Ingress = nil }, "deny-ingress"},
		{"the subject edited out of podSelector", func() { w.pod("a/web").Labels = nil }, "allow"},
		{"and back in", func() { w.pod("a/web").Labels = labelSet("app=web") }, "deny-ingress"},
		{"the policy deleted", func() { w.Policies = nil }, "allow"},
	} {
		step.change()
		t.Run(step.name, func(t *testing.T) { check(t, w, step.want+flow) })
	}
}
