package oracle

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// portsMatch tells if some entry matches the flow. No entries match all of it,
// ICMP too; entries that cannot be used match nothing. Port names are those of
// the pod's containers; nil = nothing has a name.
func portsMatch(entries []networkingv1.NetworkPolicyPort, f Flow, named *corev1.Pod) bool {
	if len(entries) == 0 {
		return true
	}
	for _, e := range entries {
		if protocolMatches(e.Protocol, f) && numberMatches(e, f, named) {
			return true
		}
	}
	return false
}

// protocolMatches compares with the entry's protocol, which is TCP by default.
func protocolMatches(protocol *corev1.Protocol, f Flow) bool {
	want := corev1.ProtocolTCP
	if protocol != nil {
		want = *protocol
	}
	switch want {
	case corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP:
		return f.Protocol == want
	default:
		return false
	}
}

// numberMatches compares with the entry's port: every one, a name, a number or
// a range of numbers.
func numberMatches(e networkingv1.NetworkPolicyPort, f Flow, named *corev1.Pod) bool {
	switch {
	case e.Port == nil:
		return e.EndPort == nil
	case e.Port.Type == intstr.String:
		return e.EndPort == nil && nameMatches(e.Port.StrVal, f, named)
	case e.Port.Type == intstr.Int:
		return rangeMatches(e.Port.IntVal, e.EndPort, f.Port)
	default:
		return false
	}
}

// rangeMatches tells if the number is in first–end, where no end means first.
func rangeMatches(first int32, endPort *int32, number int32) bool {
	end := first
	if endPort != nil {
		end = *endPort
	}
	sound := 1 <= first && first <= end && end <= 65535
	return sound && first <= number && number <= end
}

// nameMatches tells if some container of the pod gives the name to the flow's
// protocol and port.
func nameMatches(name string, f Flow, named *corev1.Pod) bool {
	if named == nil || !isPortName(name) {
		return false
	}
	for _, c := range lastingContainers(named) {
		for _, p := range c.Ports {
			if p.Name == name && containerProtocol(p) == f.Protocol && p.ContainerPort == f.Port {
				return true
			}
		}
	}
	return false
}

// containerProtocol is the port's protocol, TCP by default.
func containerProtocol(p corev1.ContainerPort) corev1.Protocol {
	if p.Protocol == "" {
		return corev1.ProtocolTCP
	}
	return p.Protocol
}

// lastingContainers returns those that run as long as the pod does: its
// containers, and the init containers that restart always (native sidecars).
func lastingContainers(p *corev1.Pod) []corev1.Container {
	var lasting []corev1.Container
	for _, c := range p.Spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			lasting = append(lasting, c)
		}
	}
	return append(lasting, p.Spec.Containers...)
}

// isPortName tells if the name is an IANA service name (RFC 6335, 5.1) in the
// lower case that Kubernetes asks for: 1–15 of a–z, 0–9 and '-', with a letter,
// and no '-' at an end or beside another.
func isPortName(name string) bool {
	const letters, others = "abcdefghijklmnopqrstuvwxyz", "0123456789-"
	switch {
	case len(name) < 1 || len(name) > 15:
		return false
	case strings.Trim(name, letters+others) != "":
		return false
	case strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-") ||
		strings.Contains(name, "--"):
		return false
	}
	return strings.ContainsAny(name, letters)
}
