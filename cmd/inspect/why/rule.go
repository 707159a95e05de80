package why

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
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
}

// fits is a part that matches.
func fits() Fit { return Fit{Fits: true, Missing: []string{}} }

// A part that does not match makes a rule farther from allowing the flow than any number of
// differences in the other part.
const partDistance = 100

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
			out.distance += partDistance + len(part.Missing)
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
	var best []string
	// One peer that matches is enough; else the one that lacks least is told.
	for _, s := range r.Pods {
		missing := e.missing(s, peer)
		if len(missing) == 0 {
			return fits(), false
		}
		if best == nil || len(missing) < len(best) {
			best = missing
		}
	}
	for _, b := range r.Blocks {
		if b.Contains(addr) {
			return fits(), true
		}
	}
	// What is written is easier to recognise than the ranges that it means.
	for _, text := range ask.BlockTexts(e.cluster.Spec(p.Key), d, r.Index) {
		best = append(best, "not in "+text)
	}
	if best == nil {
		best = []string{"none of its peers can be understood"}
	}
	return Fit{Missing: best}, false
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

// PortFit compares the ports of a rule with the flow's. Port names are those of named; nil: nobody's.
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
	return Fit{Missing: []string{"wants " + PortTexts(r)}}
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
