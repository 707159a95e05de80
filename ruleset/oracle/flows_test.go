package oracle

import (
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

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
