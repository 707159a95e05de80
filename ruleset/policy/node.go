package policy

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Node is what policies need to know of a machine of the cluster.
type Node struct {
	Name  string
	Addrs []netip.Addr   // status.addresses of type InternalIP and ExternalIP, sorted
	CIDRs []netip.Prefix // spec.podCIDRs, which its pods' addresses come from; masked
}

// NewNode converts an API object.
func NewNode(n *corev1.Node) Node {
	var texts []string
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP || a.Type == corev1.NodeExternalIP {
			texts = append(texts, a.Address)
		}
	}
	return Node{Name: n.Name, Addrs: ParseAddrs(texts), CIDRs: parsePodCIDRs(n.Spec)}
}

// parsePodCIDRs reads the pod ranges, and keeps none twice: podCIDR is the first of
// podCIDRs.
func parsePodCIDRs(spec corev1.NodeSpec) []netip.Prefix {
	var cidrs []netip.Prefix
	for _, text := range slices.Concat(spec.PodCIDRs, []string{spec.PodCIDR}) {
		p, ok := ParseCIDR(text)
		overlaps := func(o netip.Prefix) bool { return o.Overlaps(p) }
		if ok && !p.Addr().Is4In6() && !slices.ContainsFunc(cidrs, overlaps) {
			cidrs = append(cidrs, p.Masked())
		}
	}
	return cidrs
}

// Reached returns the addresses at which pods reach the node itself: those that it
// states, and the first two of each of its pod ranges, which flannel gives to its vxlan
// device and its bridge.
func (n Node) Reached() []netip.Addr {
	addrs := slices.Clone(n.Addrs)
	for _, p := range n.CIDRs {
		first := p.Masked().Addr()
		addrs = append(addrs, first)
		if second := first.Next(); p.Contains(second) {
			addrs = append(addrs, second)
		}
	}
	return addrs
}

// Equal reports whether nothing that policies look at differs.
func (n Node) Equal(o Node) bool {
	return n.Name == o.Name && slices.Equal(n.Addrs, o.Addrs) && slices.Equal(n.CIDRs, o.CIDRs)
}
