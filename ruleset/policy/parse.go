package policy

import (
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/picket-project/picket/ruleset"
)

// Parse reads a policy. It never fails: what it cannot understand matches nothing and
// is listed in Problems.
func Parse(np *networkingv1.NetworkPolicy) *Policy {
	p := &parser{key: Key{np.Namespace, np.Name}}
	spec := field.NewPath("spec")
	policy := &Policy{Key: p.key, Isolates: p.types(&np.Spec, spec.Child("policyTypes")),
		Revision: Revision{string(np.UID), np.Generation, np.ResourceVersion}, text: p.key.String()}
	policy.Audit = p.audit(np.Annotations, "the policy is", AuditAnnotation, MonitorAnnotation)
	var certain bool
	policy.Subjects, certain = p.subjects(&np.Spec.PodSelector, spec.Child("podSelector"))
	for i, r := range np.Spec.Ingress {
		at := spec.Child("ingress").Index(i)
		rule := Rule{Index: i, AnyPeer: len(r.From) == 0, AnyPort: len(r.Ports) == 0}
		p.peers(&rule, r.From, at.Child("from"))
		p.ports(&rule, r.Ports, at.Child("ports"))
		policy.add(ruleset.Ingress, rule, certain)
	}
	for i, r := range np.Spec.Egress {
		at := spec.Child("egress").Index(i)
		rule := Rule{Index: i, AnyPeer: len(r.To) == 0, AnyPort: len(r.Ports) == 0}
		p.peers(&rule, r.To, at.Child("to"))
		p.ports(&rule, r.Ports, at.Child("ports"))
		policy.add(ruleset.Egress, rule, certain)
	}
	policy.Problems = p.reported()
	return policy
}

// add keeps a rule; where it is not certain whom the policy selects, it may isolate but
// not allow.
func (p *Policy) add(d ruleset.Direction, r Rule, certain bool) {
	if certain {
		p.Rules[d] = append(p.Rules[d], r)
	}
}

// parser reads one policy, and collects what is wrong with it.
type parser struct {
	key      Key
	problems []Problem
}

// types reads spec.policyTypes. A value that is not known isolates in both directions:
// it may have meant either.
func (p *parser) types(spec *networkingv1.NetworkPolicySpec, at *field.Path) (isolates [2]bool) {
	if len(spec.PolicyTypes) == 0 {
		return [2]bool{ruleset.Ingress: true, ruleset.Egress: len(spec.Egress) > 0}
	}
	for i, t := range spec.PolicyTypes {
		switch t {
		case networkingv1.PolicyTypeIngress:
			isolates[ruleset.Ingress] = true
		case networkingv1.PolicyTypeEgress:
			isolates[ruleset.Egress] = true
		default:
			p.invalid(at.Index(i), string(t), "expected Ingress or Egress; "+
				"until this is mended the policy isolates in both directions")
			isolates = [2]bool{true, true}
		}
	}
	return isolates
}

// subjects reads spec.podSelector; certain is false where a part had to be left out,
// which selects more pods than were meant.
func (p *parser) subjects(
	s *metav1.LabelSelector, at *field.Path,
) (subjects *Selector, certain bool) {
	pods, err := metav1.LabelSelectorAsSelector(s)
	if err == nil {
		return podsIn(p.key.Namespace, pods), true
	}
	p.invalid(at, selectorValue(s), reason(s)+"; until this is mended the policy isolates "+
		"every pod that the rest of the selector matches, and allows nothing")
	return podsIn(p.key.Namespace, widened(s)), false
}

// peers reads spec.ingress[].from or spec.egress[].to.
func (p *parser) peers(r *Rule, peers []networkingv1.NetworkPolicyPeer, at *field.Path) {
	for i := range peers {
		p.peer(r, &peers[i], at.Index(i))
	}
	r.Blocks = Union(r.Blocks)
}

// peer reads one entry of from or to.
func (p *parser) peer(r *Rule, peer *networkingv1.NetworkPolicyPeer, at *field.Path) {
	bySelector := peer.PodSelector != nil || peer.NamespaceSelector != nil
	switch {
	case peer.IPBlock != nil && bySelector:
		p.invalid(at, "ipBlock with a selector",
			"a peer is either an ipBlock or selectors; write two peers")
	case peer.IPBlock != nil:
		r.Blocks = append(r.Blocks, p.block(peer.IPBlock, at.Child("ipBlock"))...)
	case bySelector:
		if s, ok := p.peerPods(peer, at); ok {
			r.Pods = append(r.Pods, s)
		}
	default:
		p.invalid(at, "{}", "expected podSelector, namespaceSelector or ipBlock; "+
			"to allow every peer leave the whole list out")
	}
}

// peerPods reads the selectors of a peer: without a namespaceSelector they mean the
// policy's own namespace.
func (p *parser) peerPods(
	peer *networkingv1.NetworkPolicyPeer, at *field.Path,
) (s *Selector, ok bool) {
	pods, podsFine := p.selector(peer.PodSelector, at.Child("podSelector"))
	if peer.NamespaceSelector == nil {
		return podsIn(p.key.Namespace, pods), podsFine
	}
	namespaces, fine := p.selector(peer.NamespaceSelector, at.Child("namespaceSelector"))
	return podsAcross(namespaces, pods), podsFine && fine
}

// selector reads one label selector of a peer; one that is absent matches everything.
func (p *parser) selector(s *metav1.LabelSelector, at *field.Path) (labels.Selector, bool) {
	if s == nil {
		return labels.Everything(), true
	}
	parsed, err := metav1.LabelSelectorAsSelector(s)
	if err != nil {
		p.invalid(at, selectorValue(s), reason(s)+"; until this is mended the peer matches nobody")
		return labels.Nothing(), false
	}
	return parsed, true
}

// selectorValue is what a Problem shows of a selector that cannot be understood: JSON,
// which has no line breaks.
func selectorValue(s *metav1.LabelSelector) any {
	text, _ := json.Marshal(s) // maps, lists and strings always have a JSON form
	if len(text) > maxValue {
		return string(text) // a string, so that it is shortened
	}
	return json.RawMessage(text)
}

// ports reads spec.ingress[].ports or spec.egress[].ports.
func (p *parser) ports(r *Rule, ports []networkingv1.NetworkPolicyPort, at *field.Path) {
	for i := range ports {
		p.port(r, &ports[i], at.Index(i))
	}
	r.Ports = joinPorts(r.Ports)
}

// port reads one entry of ports: every port of a protocol, a name, a number, or a
// range.
func (p *parser) port(r *Rule, port *networkingv1.NetworkPolicyPort, at *field.Path) {
	proto, err := protocolOf(port.Protocol)
	switch {
	case err != nil:
		p.invalid(at.Child("protocol"), string(*port.Protocol), "expected TCP, UDP or SCTP")
	case port.Port == nil && port.EndPort != nil:
		p.invalid(at.Child("endPort"), *port.EndPort, "needs port to start the range")
	case port.Port == nil:
		r.Ports = append(r.Ports, Ports{Proto: proto})
	case port.Port.Type == intstr.String:
		if p.isPortName(port, at) {
			r.Names = append(r.Names, PortName{Name: port.Port.StrVal, Proto: proto})
		}
	case port.Port.Type == intstr.Int:
		if ports, ok := p.portRange(port, at); ok {
			r.Ports = append(r.Ports, Ports{proto, []ruleset.PortRange{ports}})
		}
	default:
		p.invalid(at.Child("port"), int64(port.Port.Type), "is neither a number nor a name")
	}
}

// isPortName checks a port that is given by name.
func (p *parser) isPortName(port *networkingv1.NetworkPolicyPort, at *field.Path) bool {
	if port.EndPort != nil {
		p.invalid(at.Child("endPort"), *port.EndPort,
			"goes with a port number only, and port is a name")
		return false
	}
	if wrong := validation.IsValidPortName(port.Port.StrVal); len(wrong) > 0 {
		p.invalid(at.Child("port"), port.Port.StrVal,
			"is neither a number nor a port name: "+strings.Join(wrong, ", "))
		return false
	}
	return true
}

// portRange reads a port that is given by number, with or without an endPort.
func (p *parser) portRange(
	port *networkingv1.NetworkPolicyPort, at *field.Path,
) (ports ruleset.PortRange, ok bool) {
	first := port.Port.IntVal
	last := first
	if port.EndPort != nil {
		last = *port.EndPort
	}
	switch {
	case first < 1 || first > maxPort:
		p.invalid(at.Child("port"), first, fmt.Sprintf("expected 1 to %d", maxPort))
	case last < first || last > maxPort:
		p.invalid(at.Child("endPort"), last,
			fmt.Sprintf("expected %d (port) to %d", first, maxPort))
	default:
		return ruleset.PortRange{First: uint16(first), Last: uint16(last)}, true
	}
	return ruleset.PortRange{}, false
}

// protocolOf reads the protocol of a port; one that is absent is TCP.
func protocolOf(p *corev1.Protocol) (ruleset.Protocol, error) {
	if p == nil {
		return ruleset.TCP, nil
	}
	for _, proto := range ruleset.Protocols {
		if string(*p) == strings.ToUpper(proto.String()) {
			return proto, nil
		}
	}
	return ruleset.AnyProtocol, fmt.Errorf("unknown protocol %q", *p)
}
