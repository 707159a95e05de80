package oracle

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// governs tells if the policy isolates its subjects in the direction. Without
// policyTypes that is ingress always, and egress where spec.egress has a rule.
// An unknown type may have meant either, so it counts as both.
func governs(p *networkingv1.NetworkPolicy, d networkingv1.PolicyType) bool {
	if len(p.Spec.PolicyTypes) == 0 {
		return d == networkingv1.PolicyTypeIngress || len(p.Spec.Egress) > 0
	}
	for _, t := range p.Spec.PolicyTypes {
		known := t == networkingv1.PolicyTypeIngress || t == networkingv1.PolicyTypeEgress
		if t == d || !known {
			return true
		}
	}
	return false
}

// hasSubject tells if the policy selects the pod. Invalid parts of the
// selector are skipped: rather one pod too many isolated than one too few.
func hasSubject(p *networkingv1.NetworkPolicy, pod *corev1.Pod) bool {
	return p.Namespace == pod.Namespace && validPartsHold(&p.Spec.PodSelector, pod.Labels)
}

// policyAllows tells if some rule of the policy allows the half. Where it is
// not certain whose rules they are, none of them does.
func (w *World) policyAllows(p *networkingv1.NetworkPolicy, h half) bool {
	if hasInvalidPart(&p.Spec.PodSelector) {
		return false
	}
	for _, r := range rulesOf(p, h.direction) {
		if w.ruleAllows(p.Namespace, r, h) {
			return true
		}
	}
	return false
}

// rule is an ingress or an egress rule: what they have in common is all.
type rule struct {
	peers []networkingv1.NetworkPolicyPeer // from, or to
	ports []networkingv1.NetworkPolicyPort
}

// rulesOf returns the policy's rules of one direction.
func rulesOf(p *networkingv1.NetworkPolicy, d networkingv1.PolicyType) []rule {
	var rules []rule
	if d == networkingv1.PolicyTypeIngress {
		for _, r := range p.Spec.Ingress {
			rules = append(rules, rule{peers: r.From, ports: r.Ports})
		}
		return rules
	}
	for _, r := range p.Spec.Egress {
		rules = append(rules, rule{peers: r.To, ports: r.Ports})
	}
	return rules
}

// bothRules returns the policy's rules of both directions.
func bothRules(p *networkingv1.NetworkPolicy) []rule {
	return append(rulesOf(p, networkingv1.PolicyTypeIngress),
		rulesOf(p, networkingv1.PolicyTypeEgress)...)
}

// ruleAllows tells if a peer and a port of the rule of a policy in this
// namespace match. No peers in the rule means every peer.
func (w *World) ruleAllows(namespace string, r rule, h half) bool {
	if len(r.peers) == 0 {
		return portsMatch(r.ports, h.flow, receiver(h))
	}
	for _, peer := range r.peers {
		named := receiver(h)
		if h.direction == networkingv1.PolicyTypeEgress && peer.IPBlock != nil {
			named = nil // a CIDR has no containers to name a port
		}
		if w.peerMatches(namespace, peer, h) && portsMatch(r.ports, h.flow, named) {
			return true
		}
	}
	return false
}

// receiver is the pod whose containers give port names their numbers, nil
// where the flow goes to no pod.
func receiver(h half) *corev1.Pod {
	if h.direction == networkingv1.PolicyTypeIngress {
		return h.subject
	}
	return h.peer
}

// peerMatches tells if an entry of from or to matches the peer of the half. An
// entry is one ipBlock, or one or two selectors, and nothing else.
func (w *World) peerMatches(namespace string, peer networkingv1.NetworkPolicyPeer, h half) bool {
	hasSelector := peer.PodSelector != nil || peer.NamespaceSelector != nil
	if peer.IPBlock != nil {
		return !hasSelector && w.blockMatches(*peer.IPBlock, h.peerAddr)
	}
	if !hasSelector || h.peer == nil {
		return false
	}
	return w.namespaceMatches(namespace, peer, h.peer) && podMatches(peer, h.peer)
}

// namespaceMatches tells if the pod is in a namespace that the entry selects;
// without namespaceSelector that is the policy's own.
func (w *World) namespaceMatches(own string, peer networkingv1.NetworkPolicyPeer,
	pod *corev1.Pod) bool {
	if peer.NamespaceSelector == nil {
		return pod.Namespace == own
	}
	labels, heard := w.namespaceLabels(pod.Namespace)
	return selects(peer.NamespaceSelector, labels) && (heard || asksForName(peer.NamespaceSelector))
}

// asksForName tells if all that the selector asks for is the name that the API
// server gives to every namespace as a label, or nothing at all.
func asksForName(s *metav1.LabelSelector) bool {
	for key := range s.MatchLabels {
		if key != corev1.LabelMetadataName {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		if e.Key != corev1.LabelMetadataName {
			return false
		}
	}
	return true
}

// podMatches tells if the entry's podSelector, if it has one, selects the pod.
func podMatches(peer networkingv1.NetworkPolicyPeer, pod *corev1.Pod) bool {
	return peer.PodSelector == nil || selects(peer.PodSelector, pod.Labels)
}

// blockMatches tells if the block holds the address, or one of the node whose
// tunnel has it: what that node itself sends may come from there.
func (w *World) blockMatches(b networkingv1.IPBlock, a netip.Addr) bool {
	if blockHolds(b, a) {
		return true
	}
	for _, n := range w.Nodes {
		for _, own := range nodeAddresses(n) {
			if w.isTunnelOf(n, a) && own.Is4() == a.Is4() && blockHolds(b, own) &&
				w.hasAlone(n, own) {
				return true
			}
		}
	}
	return false
}

// isTunnelOf tells if the address is the first one of a pod range of the node,
// which its tunnel has, and no pod's.
func (w *World) isTunnelOf(n *corev1.Node, a netip.Addr) bool {
	isFirst := func(r netip.Prefix) bool { return r.Addr() == a }
	return slices.ContainsFunc(w.rangesOf(n.Name, a), isFirst) && w.PodAt(a) == nil
}

// hasAlone tells if the address is the node's and no other node's.
func (w *World) hasAlone(n *corev1.Node, a netip.Addr) bool {
	for _, other := range w.Nodes {
		if w.hasAddress(other, a) != (other == n) {
			return false
		}
	}
	return true
}

// blockHolds tells if the address is in the cidr and in none of its excepts.
// An except that cannot be read may have meant any part of the cidr.
func blockHolds(b networkingv1.IPBlock, a netip.Addr) bool {
	cidr, ok := parseCIDR(b.CIDR)
	matches := ok && cidr.Contains(a)
	for _, text := range b.Except {
		except, ok := parseCIDR(text)
		if !ok || except.Contains(a) {
			matches = false
		}
	}
	return matches
}

// parseCIDR parses a prefix and masks its host bits off. Leading zeros mean nothing. IPv4 written
// as mapped IPv6 is refused: no packet has such an address.
func parseCIDR(text string) (netip.Prefix, bool) {
	p, err := parsed(netip.ParsePrefix, text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, false
	}
	return p.Masked(), true
}
