package engines

import (
	"slices"
	"testing"
)

// What Picket, kube-proxy, flannel and the bridge plugin make is no sign of another engine.
func TestFind(t *testing.T) {
	usual := []Name{{Table, "picket"}, {Chain, "KUBE-SERVICES"}, {Chain, "KUBE-FORWARD"},
		{Chain, "FLANNEL-FWD"}, {Chain, "CNI-FORWARD"}, {Table, "kube-proxy"}, {Interface, "cni0"}}
	if got := Find(usual); len(got) > 0 {
		t.Errorf("%q", got)
	}
	got := Find(slices.Concat(usual, []Name{{Interface, "cilium_host"}, {Chain, "KUBE-POD-FW-ABC"},
		{Chain, "KUBE-NWPLCY-X"}, {Table, "kube-network-policies"}, {Chain, "cali-FORWARD"}}))
	want := []string{"kube-router (chain KUBE-POD-FW-ABC)",
		"kube-network-policies (table kube-network-policies)", "Calico (chain cali-FORWARD)",
		"Cilium (interface cilium_host)"}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
