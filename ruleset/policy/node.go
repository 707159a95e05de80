package policy

import (
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Namespace is what policies need to know of a namespace.
type Namespace struct {
	Name        string
	Labels      map[string]string // with kubernetes.io/metadata.name
	Terminating bool              // metadata.deletionTimestamp is set: policies deleted from now on still isolate
	Unheard     bool              // nobody has said yet which other labels it has
}

// NewNamespace converts an API object.
func NewNamespace(n *corev1.Namespace) Namespace {
	ns := ImpliedNamespace(n.Name)
	ns.Unheard = false
	maps.Copy(ns.Labels, n.Labels)
	ns.Labels[corev1.LabelMetadataName] = n.Name // an API server lets nobody say otherwise
	ns.Terminating = n.DeletionTimestamp != nil
	return ns
}

// ImpliedNamespace is a namespace of which only the name is known: it has the one label that an API server
// gives to every namespace, and nobody knows which others.
func ImpliedNamespace(name string) Namespace {
	return Namespace{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}, Unheard: true}
}

// Equal reports whether nothing that policies look at differs.
func (n Namespace) Equal(o Namespace) bool {
	return n.Name == o.Name && n.Terminating == o.Terminating && n.Unheard == o.Unheard && maps.Equal(n.Labels, o.Labels)
}

// Node is a machine of the cluster with its own addresses.
type Node struct {
	Name  string
	Addrs []netip.Addr   // status.addresses of type InternalIP and ExternalIP, sorted
	CIDRs []netip.Prefix // spec.podCIDRs, which its pods' addresses come from; masked
}

// Reached returns the addresses by which pods reach the node itself: those that it states, and the
// first two of each of its pod ranges, which its vxlan device and its bridge have with flannel.
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

// Equal reports whether nothing that policies look at differs.
func (n Node) Equal(o Node) bool {
	return n.Name == o.Name && slices.Equal(n.Addrs, o.Addrs) && slices.Equal(n.CIDRs, o.CIDRs)
}

// parsePodCIDRs keeps what is a range and none twice; podCIDR is the first of podCIDRs.
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
