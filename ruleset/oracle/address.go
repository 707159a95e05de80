package oracle

import (
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// PodAt returns the pod that counts as a peer by this address, or nil: the
// address is a node's, outside, or that of a pod which is over. Of several live
// pods that claim one address the one that started last has it, of those whose
// node it can be at.
func (w *World) PodAt(a netip.Addr) *corev1.Pod {
	var owner *corev1.Pod
	for _, p := range w.Pods {
		if claims(p, a) && w.isPlausible(p.Spec.NodeName, a) &&
			(owner == nil || startedAfter(p, owner)) {
			owner = p
		}
	}
	if owner != nil && w.isNodeAddress(a) {
		return nil
	}
	return owner
}

// subjectsAt returns whose policies decide by this address, one pod a node: each decides
// its own pods, whatever others say of their addresses. Where several pods of a
// node claim the address, a made-up pod stands for them.
func (w *World) subjectsAt(a netip.Addr) [][]*corev1.Pod {
	byNode := map[string][]*corev1.Pod{}
	for _, p := range w.Pods {
		node := p.Spec.NodeName
		known := len(w.rangesOf(node, a)) > 0
		if claims(p, a) && !w.isOwnNode(p, a) && (!known || w.isPlausible(node, a)) {
			byNode[node] = append(byNode[node], p)
		}
	}
	return slices.Collect(maps.Values(byNode))
}

// isPlausible tells if a pod of the node can have the address: where nodes have
// pod ranges with it, only those of these nodes; where none has, only those of
// nodes without a range of its family.
func (w *World) isPlausible(node string, a netip.Addr) bool {
	inside := false
	for _, n := range w.Nodes {
		for _, r := range w.rangesOf(n.Name, a) {
			if r.Contains(a) && n.Name == node {
				return true
			}
			inside = inside || r.Contains(a)
		}
	}
	return !inside && len(w.rangesOf(node, a)) == 0
}

// rangesOf returns the pod ranges of a node that are of the address's family.
func (w *World) rangesOf(node string, a netip.Addr) []netip.Prefix {
	var ranges []netip.Prefix
	for _, n := range w.Nodes {
		for _, text := range append([]string{n.Spec.PodCIDR}, n.Spec.PodCIDRs...) {
			r, ok := parseCIDR(text)
			if ok && n.Name == node && r.Addr().Is4() == a.Is4() {
				ranges = append(ranges, r)
			}
		}
	}
	return ranges
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
	a, err := parsed(netip.ParseAddr, text)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		return netip.Addr{}, false
	}
	return a, !a.IsLoopback() && !a.IsMulticast() && !a.IsUnspecified()
}

// parsed parses an address or a prefix. Only what is refused can have leading zeros that matter, and
// to take them away takes most of the time that an oracle has.
func parsed[T any](parse func(string) (T, error), text string) (T, error) {
	v, err := parse(text)
	if err != nil {
		v, err = parse(inDecimal(text))
	}
	return v, err
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
		if n.Name == p.Spec.NodeName && w.hasAddress(n, a) {
			return true
		}
	}
	return false
}

// isNodeAddress tells if any node has the address.
func (w *World) isNodeAddress(a netip.Addr) bool {
	for _, n := range w.Nodes {
		if w.hasAddress(n, a) {
			return true
		}
	}
	return false
}

// hasAddress tells if the address is an internal or external one of the node.
// One in a pod range is not, whatever the node says.
func (w *World) hasAddress(n *corev1.Node, a netip.Addr) bool {
	return slices.Contains(nodeAddresses(n), a) && !w.isInRange(a)
}

// isInRange tells if some node has a pod range with the address.
func (w *World) isInRange(a netip.Addr) bool {
	for _, n := range w.Nodes {
		for _, r := range w.rangesOf(n.Name, a) {
			if r.Contains(a) {
				return true
			}
		}
	}
	return false
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
