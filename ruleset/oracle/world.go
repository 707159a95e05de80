package oracle

import (
	"fmt"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

// World is a cluster as its API objects state it. The zero value is an empty
// cluster, which allows every flow. No method changes an object.
type World struct {
	Namespaces []*corev1.Namespace
	Pods       []*corev1.Pod
	Nodes      []*corev1.Node
	Policies   []*networkingv1.NetworkPolicy
}

// Flow is the first packet of a connection as the forward hook sees it.
// Protocol "" stands for ICMP and everything else without ports; Port is then 0.
type Flow struct {
	From, To netip.Addr
	Protocol corev1.Protocol
	Port     int32 // of the destination
}

// String prints the flow as "10.244.1.2 > 10.244.2.2 TCP 80", or without port
// as "10.244.1.2 > 10.244.2.2 other".
func (f Flow) String() string {
	if f.Protocol == "" {
		return fmt.Sprintf("%v > %v other", f.From, f.To)
	}
	return fmt.Sprintf("%v > %v %s %d", f.From, f.To, f.Protocol, f.Port)
}

// Allowed tells if the flow gets all the way: out of From and into To.
func (w *World) Allowed(f Flow) bool {
	return w.EgressAllowed(f) && w.IngressAllowed(f)
}

// EgressAllowed tells if the flow may leave From. It is decided at From's node.
func (w *World) EgressAllowed(f Flow) bool {
	return w.allSubjectsAllow(networkingv1.PolicyTypeEgress, f, f.From, f.To)
}

// IngressAllowed tells if the flow may enter To. It is decided at To's node.
func (w *World) IngressAllowed(f Flow) bool {
	return w.allSubjectsAllow(networkingv1.PolicyTypeIngress, f, f.To, f.From)
}

// allSubjectsAllow decides a flow at every node that has pods with the subject's
// address.
func (w *World) allSubjectsAllow(d networkingv1.PolicyType, f Flow, subject, peer netip.Addr) bool {
	for _, claimants := range w.subjectsAt(subject) {
		h := half{direction: d, flow: f, claimants: claimants, peer: w.PodAt(peer), peerAddr: peer}
		if subject != peer && !w.allows(w.enforced(), h) {
			return false
		}
	}
	return true
}

// half is one of the two decisions about a flow: in one direction, of the pods
// of one node that claim the subject's address. That is one pod, as a rule.
type half struct {
	direction networkingv1.PolicyType
	flow      Flow
	claimants []*corev1.Pod
	// of the claimants that are isolated: the only one, or one that stands for them
	subject  *corev1.Pod
	peer     *corev1.Pod // nil = that end is no pod
	peerAddr netip.Addr
}

// allows applies the sentence of the API to some policies: a pod is isolated once
// a policy selects it, and then only what one of them allows gets through. Of
// several claimants it is each that is isolated which the policy has to select.
func (w *World) allows(policies []*networkingv1.NetworkPolicy, h half) bool {
	if w.isSame(h.claimants, h.peerAddr) || w.isOwnNode(h.claimants[0], h.peerAddr) {
		return true
	}
	isolated := isolatedOf(policies, h)
	if len(isolated) == 0 {
		return true
	}
	h.subject = standFor(isolated)
	return slices.ContainsFunc(policies, func(p *networkingv1.NetworkPolicy) bool {
		selectsAll := governs(p, h.direction) && !slices.ContainsFunc(isolated,
			func(pod *corev1.Pod) bool {
				return !hasSubject(p, pod)
			})
		return selectsAll && w.policyAllows(p, h)
	})
}

// isSame tells if one pod alone claims both the subject's address and this one.
func (w *World) isSame(claimants []*corev1.Pod, a netip.Addr) bool {
	return len(claimants) == 1 && slices.ContainsFunc(w.subjectsAt(a),
		func(others []*corev1.Pod) bool {
			return slices.Equal(claimants, others)
		})
}

// isolatedOf returns the claimants that one of the policies selects.
func isolatedOf(policies []*networkingv1.NetworkPolicy, h half) []*corev1.Pod {
	var isolated []*corev1.Pod
	for _, pod := range h.claimants {
		if slices.ContainsFunc(policies, func(p *networkingv1.NetworkPolicy) bool {
			return governs(p, h.direction) && hasSubject(p, pod)
		}) {
			isolated = append(isolated, pod)
		}
	}
	return isolated
}

// standFor returns a pod that has the port names which all of these have, with
// the same numbers; the pod itself where there is one.
func standFor(pods []*corev1.Pod) *corev1.Pod {
	if len(pods) == 1 {
		return pods[0]
	}
	stand := pods[0].DeepCopy()
	stand.Spec.InitContainers = nil
	stand.Spec.Containers = []corev1.Container{{}}
	for _, container := range lastingContainers(pods[0]) {
		for _, port := range container.Ports {
			inAll := !slices.ContainsFunc(pods, func(p *corev1.Pod) bool {
				return !hasPort(p, port)
			})
			if inAll {
				stand.Spec.Containers[0].Ports = append(stand.Spec.Containers[0].Ports, port)
			}
		}
	}
	return stand
}

// hasPort tells if a container of the pod has a port of that name, protocol and
// number.
func hasPort(p *corev1.Pod, want corev1.ContainerPort) bool {
	for _, container := range lastingContainers(p) {
		for _, port := range container.Ports {
			if port.Name == want.Name && port.ContainerPort == want.ContainerPort &&
				containerProtocol(port) == containerProtocol(want) {
				return true
			}
		}
	}
	return false
}
