package oracle

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// policy draws a policy that is not yet in the world.
func (d *draw) policy() *networkingv1.NetworkPolicy {
	p := &networkingv1.NetworkPolicy{}
	p.Namespace = d.policyNamespace()
	p.Name = unused(d.r, policyNames(), func(name string) bool {
		return d.w.hasPolicy(p.Namespace, name)
	})
	p.Annotations = d.audit()
	p.Spec.PodSelector = d.selector()
	p.Spec.PolicyTypes = d.policyTypes()
	p.Spec.Ingress = d.ingress()
	p.Spec.Egress = d.egress()
	return p
}

// audit draws the annotations of a policy: mostly none.
func (d *draw) audit() map[string]string {
	if d.r.IntN(3) > 0 {
		return nil
	}
	annotations := map[string]string{"example.com/owner": "x"}
	if d.often() {
		annotations["picket.dev/audit"] = d.auditValue()
	}
	if d.half() {
		annotations["kube-router.io/network-policy.monitor"] = d.auditValue()
	}
	return annotations
}

// auditValue draws one that mostly audits.
func (d *draw) auditValue() string {
	if d.bad() {
		return pick(d.r, "", "yes", "True")
	}
	return pick(d.r, "true", "true", "true", "false")
}

// policyNamespace draws one, mostly of a pod: policies are to have subjects.
func (d *draw) policyNamespace() string {
	if len(d.w.Pods) == 0 || d.seldom() {
		return pick(d.r, d.names...)
	}
	return pick(d.r, d.w.Pods...).Namespace
}

// policyTypes draws every form, independent of the rules that follow.
func (d *draw) policyTypes() []networkingv1.PolicyType {
	const in, out = networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress
	if d.bad() {
		return pick(d.r, []networkingv1.PolicyType{"Sideways"}, []networkingv1.PolicyType{""},
			[]networkingv1.PolicyType{in, "egress"})
	}
	return pick(d.r, nil, []networkingv1.PolicyType{}, []networkingv1.PolicyType{in},
		[]networkingv1.PolicyType{out},
		[]networkingv1.PolicyType{in, out}, []networkingv1.PolicyType{out, in})
}

// ingress draws absent, empty, or one or two rules.
func (d *draw) ingress() []networkingv1.NetworkPolicyIngressRule {
	var rules []networkingv1.NetworkPolicyIngressRule
	for range d.r.IntN(3) {
		rules = append(rules, networkingv1.NetworkPolicyIngressRule{From: d.peers(),
			Ports: d.ports()})
	}
	if rules == nil && d.half() {
		rules = []networkingv1.NetworkPolicyIngressRule{}
	}
	return rules
}

// egress draws absent, empty, or one or two rules.
func (d *draw) egress() []networkingv1.NetworkPolicyEgressRule {
	var rules []networkingv1.NetworkPolicyEgressRule
	for range d.r.IntN(3) {
		rules = append(rules, networkingv1.NetworkPolicyEgressRule{To: d.peers(), Ports: d.ports()})
	}
	if rules == nil && d.half() {
		rules = []networkingv1.NetworkPolicyEgressRule{}
	}
	return rules
}

// peers draws a from or to: absent, empty, or up to three entries.
func (d *draw) peers() []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for range d.r.IntN(4) {
		peers = append(peers, d.peer())
	}
	if peers == nil && d.half() {
		peers = []networkingv1.NetworkPolicyPeer{}
	}
	return peers
}

// peer draws one entry, of each of its four forms, or of a form that is none.
func (d *draw) peer() networkingv1.NetworkPolicyPeer {
	pods, namespaces, block := d.selector(), d.namespaceSelector(), d.block()
	if d.bad() {
		return pick(d.r, networkingv1.NetworkPolicyPeer{},
			networkingv1.NetworkPolicyPeer{IPBlock: &block, PodSelector: &pods},
			networkingv1.NetworkPolicyPeer{IPBlock: &block, NamespaceSelector: &namespaces})
	}
	return pick(d.r, networkingv1.NetworkPolicyPeer{PodSelector: &pods},
		networkingv1.NetworkPolicyPeer{NamespaceSelector: &namespaces},
		networkingv1.NetworkPolicyPeer{PodSelector: &pods, NamespaceSelector: &namespaces},
		networkingv1.NetworkPolicyPeer{IPBlock: &block},
		networkingv1.NetworkPolicyPeer{IPBlock: &block})
}

// namespaceSelector draws a selector that may ask for a namespace by name.
func (d *draw) namespaceSelector() metav1.LabelSelector {
	if d.often() {
		return d.selector()
	}
	return metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: pick(d.r,
		d.names...)}}
}

// selector draws one that is empty, or has labels, expressions or both.
func (d *draw) selector() metav1.LabelSelector {
	var s metav1.LabelSelector
	if !d.often() {
		return s
	}
	if d.half() {
		s.MatchLabels = map[string]string{pick(d.r, labelKeys()...): pick(d.r, labelValues()...)}
	}
	for range pick(d.r, 0, 0, 1, 1, 2) {
		s.MatchExpressions = append(s.MatchExpressions, d.expression())
	}
	if d.bad() {
		s.MatchExpressions = append(s.MatchExpressions, d.badExpression())
	}
	return s
}

// expression draws a valid one.
func (d *draw) expression() metav1.LabelSelectorRequirement {
	e := metav1.LabelSelectorRequirement{Key: pick(d.r, labelKeys()...)}
	e.Operator = pick(d.r, metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn,
		metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist)
	if e.Operator == metav1.LabelSelectorOpIn || e.Operator == metav1.LabelSelectorOpNotIn {
		e.Values = some(d.r, between(d.r, 1, 2), labelValues()...)
	}
	return e
}

// badExpression draws one of each kind of mistake.
func (d *draw) badExpression() metav1.LabelSelectorRequirement {
	key := pick(d.r, labelKeys()...)
	return pick(d.r,
		metav1.LabelSelectorRequirement{Key: key, Operator: "in", Values: labelValues()},
		metav1.LabelSelectorRequirement{Key: key},
		metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpIn},
		metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpNotIn,
			Values: []string{}},
		metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpExists,
			Values: labelValues()},
		metav1.LabelSelectorRequirement{Key: key, Operator: metav1.LabelSelectorOpDoesNotExist,
			Values: labelValues()},
		metav1.LabelSelectorRequirement{Operator: metav1.LabelSelectorOpDoesNotExist})
}

// ports draws absent, empty, or up to three entries.
func (d *draw) ports() []networkingv1.NetworkPolicyPort {
	var ports []networkingv1.NetworkPolicyPort
	for range d.r.IntN(4) {
		port := d.port()
		if d.bad() {
			port = d.badPort(port)
		}
		ports = append(ports, port)
	}
	if ports == nil && d.half() {
		ports = []networkingv1.NetworkPolicyPort{}
	}
	return ports
}

// port draws an entry: every port, a number, a range or a name.
func (d *draw) port() networkingv1.NetworkPolicyPort {
	var e networkingv1.NetworkPolicyPort
	if d.often() {
		e.Protocol = new(pick(d.r, d.protocols()...))
	}
	first := d.portNumber()
	switch d.r.IntN(6) {
	case 0:
	case 1:
		e.Port = new(intstr.FromInt32(first))
		e.EndPort = new(min(65535, first+pick[int32](d.r, 0, 1, 2, 10, 70, 1000, 65535-first)))
	case 2, 3:
		e.Port = new(intstr.FromString(pick(d.r, "web", "web", "dns", "dns", "x-1", "nobody")))
	default:
		e.Port = new(intstr.FromInt32(first))
	}
	return e
}

// badPort spoils an entry in one of the ways there are.
func (d *draw) badPort(e networkingv1.NetworkPolicyPort) networkingv1.NetworkPolicyPort {
	switch d.r.IntN(7) {
	case 0:
		e.Protocol = new(pick[corev1.Protocol](d.r, "ICMP", "tcp", ""))
	case 1:
		e.Port = new(intstr.FromInt32(pick[int32](d.r, 0, -1, 65536, 70000)))
	case 2:
		e.Port, e.EndPort = new(intstr.FromInt32(81)), new(pick[int32](d.r, 80, 0, -1))
	case 3:
		e.Port, e.EndPort = new(intstr.FromInt32(80)), new(int32(65536))
	case 4:
		e.Port, e.EndPort = nil, new(int32(90))
	case 5:
		e.Port, e.EndPort = new(intstr.FromString("web")), new(int32(90))
	case 6:
		e.Port = new(intstr.FromString(pick(d.r, append(badPortNames(), "")...)))
	}
	return e
}
