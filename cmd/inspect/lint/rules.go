package lint

import (
	"fmt"
	"reflect"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// rulesIgnored finds rules that have no effect since policyTypes leaves their direction out.
func (l *linter) rulesIgnored() {
	for _, p := range l.cluster.Policies {
		np := l.cluster.Spec(p.Key)
		if len(np.Spec.PolicyTypes) == 0 {
			continue
		}
		for _, d := range ruleset.Directions {
			count := len(np.Spec.Ingress)
			if d == ruleset.Egress {
				count = len(np.Spec.Egress)
			}
			if !p.Isolates[d] && count > 0 {
				l.add(at{p.Key, "spec." + d.String()},
					fmt.Sprintf("policyTypes has no %s, so these rules have no effect", title(d)),
					fmt.Sprintf("add %s to spec.policyTypes, "+"or take the rules out", title(d)))
			}
		}
	}
}

// title is Ingress or Egress.
func title(d ruleset.Direction) string {
	if d == ruleset.Ingress {
		return string(networkingv1.PolicyTypeIngress)
	}
	return string(networkingv1.PolicyTypeEgress)
}

// duplicateRules finds rules of a policy that another of its rules covers. Of two equal ones it is
// the later.
func (l *linter) duplicateRules() {
	for _, p := range l.cluster.Policies {
		for _, d := range ruleset.Directions {
			for i, r := range p.Rules[d] {
				// What has no effect, or cannot be understood, has findings of its own.
				if !p.Isolates[d] || allowsNothing(r) {
					continue
				}
				for j, other := range p.Rules[d] {
					if i == j || !covers(other, r) || covers(r, other) && i < j {
						continue
					}
					l.add(at{p.Key, fieldOf(d, r.Index)},
						fmt.Sprintf("%s[%d] allows all of this already", d, other.Index),
						"take it out, or make it say what was meant")
					break
				}
			}
		}
	}
}

// allowsNothing reports whether nothing of a rule's peers, or of its ports, could be understood.
func allowsNothing(r policy.Rule) bool {
	return !r.AnyPeer && len(r.Pods)+len(r.Blocks) == 0 ||
		!r.AnyPort && len(r.Ports)+len(r.Names) == 0
}

// covers reports whether a rule allows all that another one allows, as far as their texts say.
func covers(a, b policy.Rule) bool { return coversPeers(a, b) && coversPorts(a, b) }

// coversPeers compares peers by their selectors and addresses.
func coversPeers(a, b policy.Rule) bool {
	if a.AnyPeer || b.AnyPeer {
		return a.AnyPeer
	}
	for _, s := range b.Pods {
		same := func(o *policy.Selector) bool { return o.String() == s.String() }
		if !slices.ContainsFunc(a.Pods, same) {
			return false
		}
	}
	for _, r := range b.Blocks {
		around := func(o ruleset.Range) bool { return o.Contains(r.First) && o.Contains(r.Last) }
		if !slices.ContainsFunc(a.Blocks, around) {
			return false
		}
	}
	return true
}

// coversPorts compares ports by number, and by name where both have names.
func coversPorts(a, b policy.Rule) bool {
	if a.AnyPort || b.AnyPort {
		return a.AnyPort
	}
	for _, n := range b.Names {
		if !slices.Contains(a.Names, n) {
			return false
		}
	}
	for _, ports := range b.Ports {
		at := slices.IndexFunc(a.Ports, func(o policy.Ports) bool { return o.Proto == ports.Proto })
		if at < 0 || !coversRanges(a.Ports[at].Ranges, ports.Ranges) {
			return false
		}
	}
	return true
}

// coversRanges compares port numbers; no ranges are all of them.
func coversRanges(a, b []ruleset.PortRange) bool {
	if len(a) == 0 || len(b) == 0 {
		return len(a) == 0
	}
	for _, r := range b {
		around := func(o ruleset.PortRange) bool { return o.Contains(r.First) && o.Contains(r.Last) }
		if !slices.ContainsFunc(a, around) {
			return false
		}
	}
	return true
}

// duplicatePolicies finds policies of a namespace that say the same as another one. What stands for
// a policy that cannot be read says nothing of what is written.
func (l *linter) duplicatePolicies() {
	policies := slices.DeleteFunc(slices.Clone(l.cluster.Policies), l.isClosed)
	for i, p := range policies {
		for _, other := range policies[:i] {
			same := p.Namespace == other.Namespace &&
				reflect.DeepEqual(l.cluster.Spec(p.Key).Spec, l.cluster.Spec(other.Key).Spec)
			if same {
				l.add(at{p.Key, "spec"},
					fmt.Sprintf("says the same as policy %s", other.Name),
					"keep one of them")
				break
			}
		}
	}
}

// isClosed reports whether a policy stands for one of the files that cannot be read as it is meant.
func (l *linter) isClosed(p *policy.Policy) bool {
	return l.files != nil && l.files.Closed(p.Key)
}

// portNamesOfBlocks finds port names on egress where every peer is an ipBlock.
func (l *linter) portNamesOfBlocks() {
	l.eachRule(func(p *policy.Policy, d ruleset.Direction, r policy.Rule) {
		if d == ruleset.Egress && len(r.Names) > 0 && !r.AnyPeer && len(r.Pods) == 0 {
			l.add(at{p.Key, fieldOf(d, r.Index) + ".ports"},
				fmt.Sprintf(
					"%q is a name that a pod gives; an ipBlock has no names, so it matches nothing",
					r.Names[0].Name),
				"give the port by its number")
		}
	})
}
