package why

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Rule is what one rule of a policy says of the flow.
type Rule struct {
	Policy string `json:"policy"` // namespace/name
	Rule   int    `json:"rule"`   // index in spec.ingress or spec.egress
	Peer   Fit    `json:"peer"`
	Port   Fit    `json:"port"`

	distance int // how far it is from allowing the flow; 0: it does
}

// Fit says whether a part of a rule matches, and if it does not, what is missing.
type Fit struct {
	Fits    bool     `json:"fits"`
	Missing []string `json:"missing"`

	distance int // how far it is from matching; 0: it does
}

// fits is a part that matches.
func fits() Fit { return Fit{Fits: true, Missing: []string{}} }

// How far parts of rules are from matching. A part that does not match is farther than any number
// of differences in the other part.
const (
	difference   = 2   // each label that the peer lacks; a port
	excepted     = 2   // in an ipBlock, and in its except
	otherBlock   = 3   // in no ipBlock of its family
	noSelector   = 4   // a selector, where none finds the peer
	never        = 49  // an ipBlock of the other family, or what cannot be understood
	partDistance = 100 // of a part that does not match, beside its own distance
)

// rule compares one rule with the flow.
func (e explainer) rule(d ruleset.Direction, p *policy.Policy, r policy.Rule) Rule {
	subject, peer := e.ends(d)
	out := Rule{Policy: p.String(), Rule: r.Index}
	byBlock := false
	out.Peer, byBlock = e.peer(d, p, r)
	named := subject.Pod
	// On ingress the subject names the ports, on egress each peer does.
	if d == ruleset.Egress {
		named = peer.Pod
		if byBlock {
			named = nil // an ipBlock has no containers that name a port
		}
	}
	out.Port = PortFit(r, named, e.pair.to.Port)
	for _, part := range []Fit{out.Peer, out.Port} {
		if !part.Fits {
			out.distance += partDistance + min(part.distance, partDistance-1)
		}
	}
	return out
}

// peer compares the peers of a rule with the flow's. byBlock says that only an ipBlock matches.
func (e explainer) peer(d ruleset.Direction, p *policy.Policy, r policy.Rule) (f Fit, byBlock bool) {
	_, peer := e.ends(d)
	_, addr := d.Ends(e.pair.flow)
	if r.AnyPeer {
		return fits(), false
	}
	var best Fit
	// One peer that matches is enough; else the one that lacks least is told.
	for _, s := range r.Pods {
		missing := e.missing(s, peer)
		if len(missing) == 0 {
			return fits(), false
		}
		if best.Missing == nil || len(missing) < len(best.Missing) {
			best = Fit{Missing: missing, distance: difference * len(missing)}
		}
		if peer.Pod == nil || peer.Pod.Host {
			best.distance = noSelector
		}
	}
	for _, b := range r.Blocks {
		if b.Contains(addr) {
			return fits(), true
		}
	}
	// What is written is easier to recognise than the ranges that it means.
	for _, b := range ask.Blocks(e.cluster.Spec(p.Key), d, r.Index) {
		text, distance := outsideOf(b, addr)
		if best.Missing == nil || distance < best.distance {
			best.distance = distance
		}
		best.Missing = append(best.Missing, text)
	}
	if best.Missing == nil {
		best = Fit{Missing: []string{"none of its peers can be understood"}, distance: never}
	}
	return best, false
}

// outsideOf says why an ipBlock does not contain an address, and how far it is from doing so.
func outsideOf(b *networkingv1.IPBlock, addr netip.Addr) (text string, distance int) {
	contains := func(cidr string) bool {
		p, ok := policy.ParseCIDR(cidr)
		return ok && p.Masked().Contains(addr)
	}
	at := slices.IndexFunc(b.Except, contains)
	p, ok := policy.ParseCIDR(b.CIDR)
	switch {
	case ok && p.Addr().BitLen() != addr.BitLen():
		return "not in " + ask.BlockText(b), never
	case at >= 0 && contains(b.CIDR):
		return fmt.Sprintf("in %s, but in its except %s", b.CIDR, b.Except[at]), excepted
	default:
		return "not in " + ask.BlockText(b), otherBlock
	}
}

// missing returns what a selector wants and the peer has not.
func (e explainer) missing(s *policy.Selector, peer ask.Point) []string {
	if peer.Pod == nil {
		return []string{"is no pod, and wants " + s.String()}
	}
	pod, counts := peer.Pod.Policy()
	if !counts {
		return []string{"is on its node's network, where no selector finds it"}
	}
	ns := e.cluster.Namespace(pod.Namespace)
	if s.Matches(pod, ns) {
		return nil
	}
	return slices.Concat(namespaceMissing(s, ns), labelsMissing(s.Pods, pod.Labels, ""))
}

// namespaceMissing returns what a selector wants of a pod's namespace.
func namespaceMissing(s *policy.Selector, ns policy.Namespace) []string {
	// Without a namespaceSelector it is the policy's own namespace.
	if s.Namespaces == nil {
		if s.Namespace == ns.Name {
			return nil
		}
		return []string{fmt.Sprintf("is in namespace %s, wants %s", ns.Name, s.Namespace)}
	}
	if s.MatchesNamespace(ns) {
		return nil
	}
	if ns.Implied {
		return []string{fmt.Sprintf("namespace %s is no object here, so its labels are not known",
			ns.Name)}
	}
	return labelsMissing(s.Namespaces, ns.Labels, "namespace ")
}

// labelsMissing returns the requirements that labels do not meet, in words.
func labelsMissing(s labels.Selector, have map[string]string, of string) []string {
	var missing []string
	requirements, _ := s.Requirements()
	for _, r := range requirements {
		if r.Matches(labels.Set(have)) {
			continue
		}
		// This label is the name of the namespace, which people know better.
		if r.Key() == corev1.LabelMetadataName && of != "" {
			missing = append(missing, fmt.Sprintf("is in namespace %s, wants %s", have[r.Key()],
				strings.Join(r.Values().List(), " or ")))
			continue
		}
		missing = append(missing, of+requirementMissing(r, have))
	}
	slices.Sort(missing)
	return missing
}

// requirementMissing says what a requirement wants and labels have instead.
func requirementMissing(r labels.Requirement, have map[string]string) string {
	if value, has := have[r.Key()]; has {
		return fmt.Sprintf("has %s=%s, wants %s", r.Key(), value, Wants(r))
	}
	return fmt.Sprintf("has no label %s, wants %s", r.Key(), Wants(r))
}

// Wants says what a requirement wants of a label: frontend, "another", "one" or "no label app".
func Wants(r labels.Requirement) string {
	switch r.Operator() {
	case selection.DoesNotExist:
		return "no label " + r.Key()
	case selection.NotIn, selection.NotEquals:
		return "another"
	case selection.Exists:
		return "one"
	default:
		return strings.Join(r.Values().List(), " or ")
	}
}

// PortFit compares the ports of a rule with the flow's. Port names are those of named; nil:
// nobody's.
func PortFit(r policy.Rule, named *ask.Pod, port ask.Port) Fit {
	if r.AnyPort {
		return fits()
	}
	// Names count only where a pod gives them a number.
	have := r.Ports
	if named != nil {
		if pod, counts := named.Policy(); counts {
			have = r.PortsOn(pod)
		}
	}
	for _, p := range have {
		in := func(x ruleset.PortRange) bool { return x.Contains(port.Number) }
		if p.Proto == port.Protocol && (len(p.Ranges) == 0 || slices.ContainsFunc(p.Ranges, in)) {
			return fits()
		}
	}
	return Fit{Missing: []string{"wants " + PortTexts(r)}, distance: difference}
}

// PortTexts writes the ports of a rule: tcp/80, tcp/8000-8010, udp/dns, tcp.
func PortTexts(r policy.Rule) string {
	var texts []string
	for _, p := range r.Ports {
		if len(p.Ranges) == 0 {
			texts = append(texts, p.Proto.String())
		}
		for _, x := range p.Ranges {
			texts = append(texts, fmt.Sprintf("%s/%s", p.Proto, x))
		}
	}
	for _, n := range r.Names {
		texts = append(texts, fmt.Sprintf("%s/%s", n.Proto, n.Name))
	}
	if len(texts) == 0 {
		return "ports that cannot be understood"
	}
	return strings.Join(texts, " or ")
}
