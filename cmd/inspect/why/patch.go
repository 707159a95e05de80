package why

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// ErrNoPatch says that no policy can allow the flow.
var ErrNoPatch = errors.New("no policy can allow this")

// Patch returns the smallest policies that allow what Explain says is denied: none if nothing is.
// They select only pods that are isolated already, so that they cut nothing. Opens says what has to
// be told of one before it is applied.
func Patch(c *ask.Cluster, from ask.End, to ask.Target) ([]*networkingv1.NetworkPolicy, error) {
	w := patcher{cluster: c, from: from, to: to}
	for _, p := range pairings(from, to) {
		flows := ask.Flows(p.from.Addrs, p.to.Addrs, p.to.Port)
		if len(flows) == 0 {
			return nil, fmt.Errorf("%w: the ends have no IP family in common", ErrNoPatch)
		}
		for _, f := range flows {
			p.flow = f
			w.allow(p)
		}
	}
	// What is printed must work: the programs are asked again.
	after := ask.New(with(c.Objects, w.policies), c.Services)
	for _, p := range pairings(from, to) {
		if !after.AllAllowed(ask.Flows(p.from.Addrs, p.to.Addrs, p.to.Port)) {
			return nil, fmt.Errorf("%w: several pods or nodes state one address, or a policy that "+
				"isolates them cannot be understood", ErrNoPatch)
		}
	}
	return w.policies, nil
}

// with returns the objects with more policies.
func with(o policy.Objects, more []*networkingv1.NetworkPolicy) policy.Objects {
	o.Policies = slices.Concat(o.Policies, more)
	return o
}

// patcher collects policies.
type patcher struct {
	cluster  *ask.Cluster
	from     ask.End
	to       ask.Target
	policies []*networkingv1.NetworkPolicy
}

// allow adds what a flow lacks in each direction.
func (w *patcher) allow(p pairing) {
	e := explainer{w.cluster, p}
	for _, d := range []ruleset.Direction{ruleset.Egress, ruleset.Ingress} {
		subject, peer := e.ends(d)
		if subject.Pod == nil || len(w.cluster.Isolating(*subject.Pod, d)) == 0 {
			continue
		}
		if w.cluster.Decide(d, p.flow).Denied() {
			_, addr := d.Ends(p.flow)
			w.add(d, *subject.Pod, w.peer(d, *subject.Pod, peer, addr), p.to.Port)
		}
	}
}

// add adds a policy for the subject, or to the one that it has already.
func (w *patcher) add(
	d ruleset.Direction, subject ask.Pod, peer networkingv1.NetworkPolicyPeer, port ask.Port,
) {
	// One policy for all pods of a kind is smaller than one for each.
	selector := w.subjects(d, subject)
	want := newPolicy(d, subject.Namespace, selector, peer)
	setPort(want, d, port)
	for _, have := range w.policies {
		same := have.Namespace == want.Namespace &&
			metav1.FormatLabelSelector(&have.Spec.PodSelector) ==
				metav1.FormatLabelSelector(&want.Spec.PodSelector) &&
			have.Spec.PolicyTypes[0] == want.Spec.PolicyTypes[0]
		if same {
			merge(have, want)
			return
		}
	}
	// In a namespace that is audited it would not be in force, and allow nothing.
	if w.cluster.Namespace(want.Namespace).Audit == policy.Audited {
		want.Annotations = map[string]string{policy.AuditAnnotation: "false"}
	}
	want.Name = w.freeName(want.Namespace, w.name(d, port))
	w.policies = append(w.policies, want)
}

// merge adds the rule of a policy to another one, unless that has it.
func merge(have, want *networkingv1.NetworkPolicy) {
	contains := func(texts []string, text string) bool { return slices.Contains(texts, text) }
	var ingress, egress []string
	for _, r := range have.Spec.Ingress {
		ingress = append(ingress, r.String())
	}
	for _, r := range have.Spec.Egress {
		egress = append(egress, r.String())
	}
	for _, r := range want.Spec.Ingress {
		if !contains(ingress, r.String()) {
			have.Spec.Ingress = append(have.Spec.Ingress, r)
		}
	}
	for _, r := range want.Spec.Egress {
		if !contains(egress, r.String()) {
			have.Spec.Egress = append(have.Spec.Egress, r)
		}
	}
}

// newPolicy returns a policy with one rule of one peer.
func newPolicy(d ruleset.Direction, namespace string, subjects metav1.LabelSelector,
	peer networkingv1.NetworkPolicyPeer) *networkingv1.NetworkPolicy {
	np := &networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace},
		Spec:       networkingv1.NetworkPolicySpec{PodSelector: subjects},
	}
	peers := []networkingv1.NetworkPolicyPeer{peer}
	if d == ruleset.Ingress {
		np.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
		np.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{From: peers}}
	} else {
		np.Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeEgress}
		np.Spec.Egress = []networkingv1.NetworkPolicyEgressRule{{To: peers}}
	}
	return np
}

// setPort limits the rule to a port. What has no ports, such as ICMP, needs a rule without ports.
func setPort(np *networkingv1.NetworkPolicy, d ruleset.Direction, port ask.Port) {
	if port.Protocol == ruleset.AnyProtocol {
		return
	}
	proto := corev1.Protocol(strings.ToUpper(port.Protocol.String()))
	number := intstr.FromInt32(int32(port.Number))
	ports := []networkingv1.NetworkPolicyPort{{Protocol: &proto, Port: &number}}
	if d == ruleset.Ingress {
		np.Spec.Ingress[0].Ports = ports
	} else {
		np.Spec.Egress[0].Ports = ports
	}
}

// name names a policy by both ends: db-from-api-5432, api-to-db-5432.
func (w *patcher) name(d ruleset.Direction, port ask.Port) string {
	last := func(name string) string {
		name, _, _ = strings.Cut(name, " ")
		name = name[strings.LastIndex(name, "/")+1:]
		return strings.Trim(strings.NewReplacer(":", "-", ".", "-").Replace(name), "-")
	}
	from, to, number := last(w.from.Name), last(w.to.Name), "icmp"
	if port.Protocol != ruleset.AnyProtocol {
		number = fmt.Sprint(port.Number)
	}
	if d == ruleset.Ingress {
		return short(to) + "-from-" + short(from) + "-" + number
	}
	return short(from) + "-to-" + short(to) + "-" + number
}

// short cuts a name so that two of them and a port fit into the name of an object.
func short(name string) string { return strings.Trim(name[:min(len(name), 80)], "-.") }

// freeName returns a name that no policy of the namespace has.
func (w *patcher) freeName(namespace, name string) string {
	taken := func(n string) bool {
		return w.cluster.Spec(policy.Key{Namespace: namespace, Name: n}) != nil ||
			slices.ContainsFunc(w.policies, func(p *networkingv1.NetworkPolicy) bool {
				return p.Namespace == namespace && p.Name == n
			})
	}
	free := name
	for i := 2; taken(free); i++ {
		free = fmt.Sprintf("%s-%d", name, i)
	}
	return free
}

// subjects returns a selector of the pod and those of its kind. What a policy that isolates it
// demands is part of it, so that it selects no pod that is free.
func (w *patcher) subjects(d ruleset.Direction, pod ask.Pod) metav1.LabelSelector {
	by := w.cluster.Isolating(pod, d)
	selector := metav1.LabelSelector{MatchLabels: w.labels(pod)}
	// Of several policies that isolate it, the one that demands least adds least.
	fewest := slices.MinFunc(by, func(a, b *policy.Policy) int {
		return cmp.Compare(demands(w.cluster.Spec(a.Key)), demands(w.cluster.Spec(b.Key)))
	})
	isolating := w.cluster.Spec(fewest.Key).Spec.PodSelector
	if _, err := metav1.LabelSelectorAsSelector(&isolating); err != nil {
		return selector // it cannot be understood, so it must not be copied
	}
	for key, value := range isolating.MatchLabels {
		if selector.MatchLabels == nil {
			selector.MatchLabels = map[string]string{}
		}
		selector.MatchLabels[key] = value
	}
	selector.MatchExpressions = isolating.MatchExpressions
	return selector
}

// demands counts what a policy demands of its subjects. One with a part that cannot be understood
// is worse than any other: a selector must not copy that.
func demands(np *networkingv1.NetworkPolicy) int {
	count := len(np.Spec.PodSelector.MatchLabels) + len(np.Spec.PodSelector.MatchExpressions)
	if _, err := metav1.LabelSelectorAsSelector(&np.Spec.PodSelector); err != nil {
		count += 1000
	}
	return count
}

// peer returns a peer that is the pod and those of its kind, or the address.
func (w *patcher) peer(d ruleset.Direction, subject ask.Pod, peer ask.Point,
	addr netip.Addr) networkingv1.NetworkPolicyPeer {
	// A selector finds no pod on a node's network, and not who has a disputed address.
	if peer.Pod == nil || peer.Pod.Host || w.cluster.Disputed(*peer.Pod) {
		return networkingv1.NetworkPolicyPeer{IPBlock: w.block(d, addr)}
	}
	p := networkingv1.NetworkPolicyPeer{
		PodSelector: &metav1.LabelSelector{MatchLabels: w.labels(*peer.Pod)},
	}
	// The name is the one label that every namespace has.
	if peer.Pod.Namespace != subject.Namespace {
		p.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{
			corev1.LabelMetadataName: peer.Pod.Namespace,
		}}
	}
	return p
}

// block is one address, or all that are outside.
func (w *patcher) block(d ruleset.Direction, addr netip.Addr) *networkingv1.IPBlock {
	outside := w.from.Outside
	if d == ruleset.Egress {
		outside = w.to.Outside
	}
	switch {
	case outside && addr.Is4():
		return &networkingv1.IPBlock{CIDR: "0.0.0.0/0",
			Except: []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}}
	case outside:
		return &networkingv1.IPBlock{CIDR: "2000::/3"}
	default:
		return &networkingv1.IPBlock{CIDR: netip.PrefixFrom(addr, addr.BitLen()).String()}
	}
}
