package policy

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestNewNodeAddresses(t *testing.T) {
	n := &corev1.Node{}
	for kind, texts := range map[corev1.NodeAddressType][]string{
		corev1.NodeInternalIP:  {"fd77::1", "10.77.0.1", "nonsense", "127.0.0.1"},
		corev1.NodeExternalIP:  {"192.0.2.1", "10.77.0.1"},
		corev1.NodeHostName:    {"10.77.0.9"},
		corev1.NodeInternalDNS: {"10.77.0.8"},
	} {
		for _, text := range texts {
			n.Status.Addresses = append(n.Status.Addresses, corev1.NodeAddress{Type: kind,
				Address: text})
		}
	}
	if got := fmt.Sprint(NewNode(n).Addrs); got != "[10.77.0.1 192.0.2.1 fd77::1]" {
		t.Error(got)
	}
}
