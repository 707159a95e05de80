package oracle

import (
	"net/netip"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestFlows(t *testing.T) {
	w := cluster()
	w.Policies = append(w.Policies, policy(t,
		"a/p {ingress: [{ports: [{port: 100, endPort: 200}, {port: 70000}]}]}"))
	w.pod("a/db").Status.Phase = corev1.PodSucceeded
	flows := w.Flows()
	for _, want := range []string{
		"10.244.1.2 > 10.244.2.2 TCP 100",        // ports.port
		"10.244.1.2 > 10.244.2.2 UDP 200",        // ports.endPort
		"10.244.1.2 > 10.244.2.2 SCTP 201",       // beside it
		"10.244.2.2 > 10.244.1.2 TCP 8080",       // a container's; from a pod that is over
		"10.244.1.2 > 10.244.1.2 other",          // a pod and itself
		"10.77.0.11 > 10.244.1.2 TCP 80",         // a node and a hostNetwork pod
		"fd77::12 > fd00:10:244:1::2 other",      // IPv6
		"8.8.8.8 > 10.77.0.12 TCP 9090",          // from outside
		"fd00:10:244:1::2 > 64:ff9b::1 UDP 53",   // to outside
		"fd00:10:244:1::2 > 2001:db8::1 TCP 101", // beside ports.port
	} {
		if !slices.ContainsFunc(flows, func(f Flow) bool { return f.String() == want }) {
			t.Errorf("no flow %s", want)
		}
	}
}

func TestFlowsAreSoundAndOnce(t *testing.T) {
	for _, w := range worlds(30, Size{}) {
		seen, ports := map[Flow]bool{}, map[int32]bool{}
		for _, f := range w.Flows() {
			if seen[f] || f.From.Is4() != f.To.Is4() || (f.Protocol == "") != (f.Port == 0) {
				t.Fatalf("flow %v: twice, or not sound", f)
			}
			seen[f], ports[f.Port] = true, true
		}
		if len(ports) > maxFlowPorts+1 {
			t.Errorf("%d ports", len(ports))
		}
	}
}

func TestFlowText(t *testing.T) {
	from, to := netip.MustParseAddr("10.244.1.2"), netip.MustParseAddr("10.244.2.2")
	for want, f := range map[string]Flow{
		"10.244.1.2 > 10.244.2.2 TCP 80": {From: from, To: to, Protocol: corev1.ProtocolTCP,
			Port: 80},
		"10.244.1.2 > 10.244.2.2 other": {From: from, To: to},
	} {
		if got := f.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
