package oracle

import (
	"fmt"
	"net/netip"

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

// EgressAllowed tells if the flow may leave From. It is judged at From's node.
func (w *World) EgressAllowed(f Flow) bool {
	return w.allowed(half{
		direction: networkingv1.PolicyTypeEgress,
		flow:      f,
		subject:   w.PodAt(f.From),
		peer:      w.PodAt(f.To),
		peerAddr:  f.To,
	})
}

// IngressAllowed tells if the flow may enter To. It is judged at To's node.
func (w *World) IngressAllowed(f Flow) bool {
	return w.allowed(half{
		direction: networkingv1.PolicyTypeIngress,
		flow:      f,
		subject:   w.PodAt(f.To),
		peer:      w.PodAt(f.From),
		peerAddr:  f.From,
	})
}

// half is one of the two judgements of a flow: in one direction, of the pod
// whose policies count.
type half struct {
	direction networkingv1.PolicyType
	flow      Flow
	subject   *corev1.Pod // nil = that end is no pod
	peer      *corev1.Pod // nil = that end is no pod
	peerAddr  netip.Addr
}

// allowed applies the sentence of the API: a pod is isolated once a policy
// selects it, and then only what one of them allows gets through.
func (w *World) allowed(h half) bool {
	if h.subject == nil || h.subject == h.peer || w.isOwnNode(h.subject, h.peerAddr) {
		return true
	}
	isolated := false
	for _, p := range w.Policies {
		if !governs(p, h.direction) || !hasSubject(p, h.subject) {
			continue
		}
		if w.policyAllows(p, h) {
			return true
		}
		isolated = true
	}
	return !isolated
}
