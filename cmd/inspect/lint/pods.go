package lint

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/likely"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// meantFix says what was probably meant, or what else to do.
func meantFix(meant, otherwise string) string {
	if meant == "" {
		return otherwise
	}
	return "meant " + meant + "?"
}

// unknownNamespaces finds policies in a namespace that has neither an object nor a pod.
func (l *linter) unknownNamespaces() {
	names := l.cluster.NamespaceNames()
	for _, p := range l.cluster.Policies {
		if !slices.Contains(names, p.Namespace) {
			l.add(at{p.Key, "metadata.namespace"},
				fmt.Sprintf("namespace %s is not there", p.Namespace),
				meantFix(
					ask.Nearest(p.Namespace,
						names), "state the namespace of the pods in metadata.namespace"))
		}
	}
}

// selectsNobody finds policies that no pod is a subject of.
func (l *linter) selectsNobody() {
	names := l.cluster.NamespaceNames()
	for _, p := range l.cluster.Policies {
		known := slices.Contains(names, p.Namespace)
		if !known || len(l.subjects(p)) > 0 || len(l.hostPods(p)) > 0 || l.isBare(p) {
			continue
		}
		text, meant := likely.Selector(l.cluster, p.Subjects)
		l.add(at{p.Key, "spec.podSelector"},
			fmt.Sprintf("selects no pod: %s", text),
			meantFix(meant, "select by labels that pods of "+p.Namespace+" have"))
	}
}

// isBare reports whether a policy selects all pods of a namespace that has none: it waits for them.
func (l *linter) isBare(p *policy.Policy) bool { return p.Subjects.Pods.Empty() }

// hostPods returns the pods on their nodes' network that a policy would select.
func (l *linter) hostPods(p *policy.Policy) []ask.Pod {
	var pods []ask.Pod
	for _, pod := range l.cluster.Pods {
		if pod.Host && pod.Namespace == p.Namespace &&
			p.Subjects.Pods.Matches(labels.Set(pod.Labels)) {
			pods = append(pods, pod)
		}
	}
	return pods
}

// selectsHostPods finds policies whose only subjects would be pods on their nodes' network.
func (l *linter) selectsHostPods() {
	for _, p := range l.cluster.Policies {
		host := l.hostPods(p)
		if len(host) > 0 && len(l.subjects(p)) == 0 && !p.Subjects.Pods.Empty() {
			l.add(at{p.Key, "spec.podSelector"},
				fmt.Sprintf(
					"selects only pods with hostNetwork, such as %s: no policy applies to them",
					host[0].Name),
				"take hostNetwork off the pods, or filter on the node")
		}
	}
}

// peersNobody finds selectors of peers that no pod matches.
func (l *linter) peersNobody() {
	l.eachRule(func(p *policy.Policy, d ruleset.Direction, r policy.Rule) {
		for _, s := range r.Pods {
			if len(l.selected(s)) > 0 || s.Pods.Empty() && l.anyNamespace(s) ||
				l.files != nil && likely.InEveryCluster(l.cluster, s) {
				continue
			}
			message, fix := l.aboutNobody(s)
			l.add(at{p.Key, l.peerField(p, d, r, s)}, message, fix)
		}
	})
}

// aboutNobody says of a selector of a peer which no pod matches what is wrong, and what to do.
func (l *linter) aboutNobody(s *policy.Selector) (message, fix string) {
	text, meant := likely.Selector(l.cluster, s)
	message = "no pod is this peer: "
	noNamespace := s.Namespaces != nil && !l.anyNamespace(s)
	switch {
	case likely.OnNode(l.cluster, s) != "":
		return message + likely.Nobody(l.cluster, s),
			"allow the addresses of the node by an ipBlock, or take hostNetwork off the pod"
	case noNamespace && l.files != nil:
		message += "no Namespace of the files has " + text
		if len(likely.Unlabelled(l.cluster, s)) > 0 {
			return message + "; " + likely.Nobody(l.cluster, s),
				"add these Namespaces to the files, or name a label that they have"
		}
		return message, meantFix(meant,
			"add the Namespace and its pods to the files, which do not say its labels; "+
				"if the cluster has none, the peer matches nobody")
	case noNamespace:
		message += "no namespace has " + text
	case s.Namespaces == nil:
		message += text + " in namespace " + s.Namespace
	default:
		message += text
	}
	return message, meantFix(meant, "name labels that pods have; until then the peer matches nobody")
}

// anyNamespace reports whether a selector can select pods of a namespace that is there.
func (l *linter) anyNamespace(s *policy.Selector) bool {
	return slices.ContainsFunc(l.cluster.NamespaceNames(), func(name string) bool {
		return s.MatchesNamespace(l.cluster.Namespace(name))
	})
}

// peerField is the path of the peer of a selector: selectors stand in the order of the peers that
// are no ipBlocks.
func (l *linter) peerField(
	p *policy.Policy, d ruleset.Direction, r policy.Rule, s *policy.Selector,
) string {
	np := l.cluster.Spec(p.Key)
	at := fieldOf(d, r.Index) + "." + peersOf(d)
	want := slices.Index(r.Pods, s)
	for i, peer := range peersList(np, d, r.Index) {
		if peer.IPBlock != nil {
			continue
		}
		if want == 0 {
			return fmt.Sprintf("%s[%d]", at, i)
		}
		want--
	}
	return at
}

// portNames finds port names that no pod has which they could mean.
func (l *linter) portNames() {
	l.eachRule(func(p *policy.Policy, d ruleset.Direction, r policy.Rule) {
		pods := l.subjects(p)
		if d == ruleset.Egress {
			pods = nil
			for _, s := range r.PeerPods() {
				pods = append(pods, l.selected(s)...)
			}
		}
		for _, name := range r.Names {
			has := func(pod ask.Pod) bool {
				own, _ := pod.Policy()
				return len(own.PortNumbers(name)) > 0
			}
			if len(pods) == 0 || slices.ContainsFunc(pods, has) {
				continue
			}
			l.add(at{p.Key, fieldOf(d, r.Index) + ".ports"},
				fmt.Sprintf(
					"no pod names a port %s/%s, so it matches nothing",
					name.Proto, name.Name),
				meantFix(
					nearPort(name,
						pods), "name a port that the pods declare, or give its number"))
		}
	})
}

// nearPort returns the port name that was probably meant, or the right protocol.
func nearPort(name policy.PortName, pods []ask.Pod) string {
	var names []string
	for _, pod := range pods {
		for _, port := range pod.Named() {
			if port.Name == name.Name && port.Protocol != name.Proto {
				return fmt.Sprintf("protocol %s", strings.ToUpper(port.Protocol.String()))
			}
			names = append(names, port.Name)
		}
	}
	return ask.Nearest(name.Name, names)
}
