package oracle

import (
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
)

// EgressAudited tells if the flow may leave From, and may not once all policies
// that are audited are enforced.
func (w *World) EgressAudited(f Flow) bool {
	return w.someSubjectAudits(networkingv1.PolicyTypeEgress, f, f.From, f.To)
}

// IngressAudited tells if the flow may enter To, and may not once all policies
// that are audited are enforced.
func (w *World) IngressAudited(f Flow) bool {
	return w.someSubjectAudits(networkingv1.PolicyTypeIngress, f, f.To, f.From)
}

// someSubjectAudits asks at every node that has pods with the subject's address.
func (w *World) someSubjectAudits(
	d networkingv1.PolicyType, f Flow, subject, peer netip.Addr,
) bool {
	for _, claimants := range w.subjectsAt(subject) {
		h := half{direction: d, flow: f, claimants: claimants, peer: w.PodAt(peer), peerAddr: peer}
		if subject != peer && w.audits(h) {
			return true
		}
	}
	return false
}

// audits tells if the half is allowed, and would be denied if policies that are
// audited were enforced, too. Of an address that several pods claim nothing is
// audited while one of them is isolated.
func (w *World) audits(h half) bool {
	disputed := len(h.claimants) > 1 && len(isolatedOf(w.enforced(), h)) > 0
	return !disputed && w.allows(w.enforced(), h) && !w.allows(w.Policies, h)
}

// enforced returns the policies that are not audited.
func (w *World) enforced() []*networkingv1.NetworkPolicy {
	return slices.DeleteFunc(slices.Clone(w.Policies), w.isAudited)
}

// isAudited tells if annotations have the policy audited: its own if it has any,
// all of which must be "true", else that of its namespace. A namespace that was
// not heard of has none.
func (w *World) isAudited(p *networkingv1.NetworkPolicy) bool {
	says, audited := false, true
	for _, key := range []string{"picket.dev/audit", "kube-router.io/network-policy.monitor"} {
		if value, has := p.Annotations[key]; has {
			says, audited = true, audited && value == "true"
		}
	}
	if says {
		return audited
	}
	for _, ns := range w.Namespaces {
		if ns.Name == p.Namespace {
			return ns.Annotations["picket.dev/audit"] == "true"
		}
	}
	return false
}
