package oracle

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestAlwaysAllowed(t *testing.T) {
	all := []string{"a/p " + denyBoth, "ab/p " + denyBoth, "b/p " + denyBoth}
	table{{
		name: "a pod and the node that it runs on, both ways, on every address",
		change: func(w *World) {
			addNodeAddress(w.Nodes[0], corev1.NodeExternalIP, "192.0.2.11")
		},
		policies: all,
		flows: `
			allow n1 > a/web TCP 80
			allow a/web > n1 TCP 10250
			allow n1@6 > a/web@6
			allow a/web@6 > n1@6 UDP 53
			allow a/web > 192.0.2.11 TCP 443
			allow 192.0.2.11 > a/web TCP 80`,
	}, {
		name:     "a pod and another node: as any peer",
		policies: all,
		flows: `
			deny-ingress n2 > a/web TCP 80
			deny-egress a/web > n2 TCP 80
			deny-egress a/web@6 > n2@6`,
	}, {
		name: "status.addresses of other types are names",
		change: func(w *World) {
			addNodeAddress(w.Nodes[0], corev1.NodeInternalDNS, "192.0.2.11")
		},
		policies: all,
		flows:    "deny-egress a/web > 192.0.2.11 TCP 443",
	}, {
		name:     "two pods of one node are still judged",
		policies: all,
		flows: `
			deny-both a/web > a/api TCP 80
			deny-both ab/cli@6 > a/api@6`,
	}, {
		name: "a pod and itself, from any of its addresses to any",
		change: func(w *World) {
			setIPs(w.pod("a/web"), "10.244.1.2", "fd00:10:244:1::2", "10.244.1.9")
		},
		policies: all,
		flows: `
			allow a/web > a/web TCP 80
			allow a/web@6 > a/web@6
			allow 10.244.1.2 > 10.244.1.9 TCP 80
			deny-both 10.244.1.2 > 10.244.1.3 TCP 80`,
	}, {
		name:     "between nodes and the outside nothing is judged",
		policies: all,
		flows: `
			allow n1 > n2 TCP 80
			allow 8.8.8.8 > n1
			allow n1 > 8.8.8.8 UDP 53
			allow 8.8.8.8 > 9.9.9.9`,
	}, {
		name:     "spec.nodeName of no node: no address is its own node's",
		change:   func(w *World) { w.pod("a/web").Spec.NodeName = "gone" },
		policies: all,
		flows: `
			deny-ingress n1 > a/web TCP 80
			deny-egress a/web > n1 TCP 80`,
	}, {
		name: "a connection the other way is another one",
		policies: []string{"a/p {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, " +
			"Egress], ingress: [{ports: [{port: 80}]}]}"},
		flows: `
			allow b/lone > a/web TCP 80
			deny-egress a/web > b/lone TCP 80`,
	}}.run(t)
}

func addNodeAddress(n *corev1.Node, kind corev1.NodeAddressType, ip string) {
	n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: kind, Address: ip})
}

func TestHostNetwork(t *testing.T) {
	table{{
		name:     "a policy that selects a hostNetwork pod does not isolate the node",
		policies: []string{"a/p {podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress, Egress]}"},
		flows: `
			allow 8.8.8.8 > n1 TCP 22
			allow n1 > 8.8.8.8
			allow b/lone > a/host@6 TCP 80
			deny-ingress b/lone > a/web TCP 80`,
	}, {
		name: "a hostNetwork pod is no peer of a selector, but of an ipBlock",
		policies: []string{"a/p {podSelector: {matchLabels: {app: db}}, ingress: [{from: " +
			"[{podSelector: {}}]}, {from: [{ipBlock: {cidr: 10.77.0.11/32}}], ports: [{port: 1}]}]}"},
		flows: `
			deny-ingress a/host > a/db TCP 80
			allow a/host > a/db TCP 1
			allow a/web > a/db TCP 80`,
	}, {
		name:     "a hostNetwork pod with an address of its own has it not",
		change:   func(w *World) { setIPs(w.pod("a/host"), "10.244.1.9") },
		policies: []string{"a/p " + denyBoth},
		flows:    "allow b/lone > 10.244.1.9 TCP 80",
	}, {
		name:   "an address that its own node has is not a pod's",
		change: func(w *World) { setIPs(w.pod("a/web"), "10.77.0.11", "fd00:10:244:1::2") },
		policies: []string{"a/p " + denyBoth,
			"ab/p {ingress: [{from: [{namespaceSelector: {}}]}]}"},
		flows: `
			allow b/lone > 10.77.0.11 TCP 80
			deny-ingress 10.77.0.11 > ab/web TCP 80
			deny-ingress b/lone@6 > a/web@6 TCP 80`,
	}}.run(t)
}
