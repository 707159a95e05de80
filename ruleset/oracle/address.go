package oracle

import (
	"net/netip"
	"regexp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// PodAt returns the pod that a packet from or to this address belongs to, or
// nil: the address is a node's, outside, or that of a pod which is over. Of two
// live pods that claim one address the one that started last has it.
func (w *World) PodAt(a netip.Addr) *corev1.Pod {
	var owner *corev1.Pod
	for _, p := range w.Pods {
		if claims(p, a) && (owner == nil || startedAfter(p, owner)) {
			owner = p
		}
	}
	if owner != nil && w.isNodeAddress(a) {
		return nil
	}
	return owner
}

// claims tells if the pod is live and its status lists the address. A
// hostNetwork pod has its node's address, so it claims none.
func claims(p *corev1.Pod, a netip.Addr) bool {
	over := p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
	if over || p.Spec.HostNetwork {
		return false
	}
	return slices.Contains(podAddresses(p), a)
}

// podAddresses returns the usable addresses of the pod's status, live or not,
// in the order stated; one that is stated twice is returned twice.
func podAddresses(p *corev1.Pod) []netip.Addr {
	var addrs []netip.Addr
	for _, text := range statusAddresses(p) {
		if a, ok := usableAddress(text); ok {
			addrs = append(addrs, a)
		}
	}
	return addrs
}

// statusAddresses returns status.podIPs and status.podIP as they are written.
func statusAddresses(p *corev1.Pod) []string {
	var texts []string
	for _, ip := range p.Status.PodIPs {
		texts = append(texts, ip.IP)
	}
	return append(texts, p.Status.PodIP)
}

// usableAddress parses an address that a pod or node can have on the wire.
func usableAddress(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(inDecimal(text))
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return netip.Addr{}, false
	}
	return a, !a.IsLoopback() && !a.IsMulticast() && !a.IsUnspecified()
}

// leadingZeros are those before another digit at the start of a number.
var leadingZeros = regexp.MustCompile(`(^|[^0-9A-Fa-f])0+([0-9A-Fa-f])`)

// inDecimal takes the leading zeros of numbers away: an API server reads 010.1.2.3 as 10.1.2.3.
func inDecimal(text string) string {
	return leadingZeros.ReplaceAllString(text, "$1$2")
}

// startedAfter orders the claims to one address: the later start wins, and of
// equal starts the greater "namespace/name".
func startedAfter(p, q *corev1.Pod) bool {
	s, t := startOf(p), startOf(q)
	if s.Equal(t) {
		return p.Namespace+"/"+p.Name > q.Namespace+"/"+q.Name
	}
	return s.After(t)
}

// startOf is status.startTime, or the creation where there is none.
func startOf(p *corev1.Pod) time.Time {
	if p.Status.StartTime == nil {
		return p.CreationTimestamp.Time
	}
	return p.Status.StartTime.Time
}

// isOwnNode tells if the address is one of the node that the pod runs on.
func (w *World) isOwnNode(p *corev1.Pod, a netip.Addr) bool {
	for _, n := range w.Nodes {
		if n.Name == p.Spec.NodeName && hasAddress(n, a) {
			return true
		}
	}
	return false
}

// isNodeAddress tells if any node has the address.
func (w *World) isNodeAddress(a netip.Addr) bool {
	for _, n := range w.Nodes {
		if hasAddress(n, a) {
			return true
		}
	}
	return false
}

// hasAddress tells if the address is an internal or external one of the node.
func hasAddress(n *corev1.Node, a netip.Addr) bool {
	return slices.Contains(nodeAddresses(n), a)
}

// nodeAddresses returns the usable ones of the node's status.addresses. Those
// of other types (Hostname, InternalDNS, ExternalDNS) are names.
func nodeAddresses(n *corev1.Node) []netip.Addr {
	var addrs []netip.Addr
	for _, na := range n.Status.Addresses {
		a, ok := usableAddress(na.Address)
		if ok && (na.Type == corev1.NodeInternalIP || na.Type == corev1.NodeExternalIP) {
			addrs = append(addrs, a)
		}
	}
	return addrs
}
