package report

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/why"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// addPolicies adds what explains the verdicts: policies, their rules, and whom these match.
func (b *builder) addPolicies() {
	for i, p := range b.cluster.Policies {
		b.policyAt[p] = i
		own := Policy{Name: p.String(), Broken: len(p.Problems) > 0, Rules: map[string][]int{}}
		for _, d := range ruleset.Directions {
			for _, r := range p.Rules[d] {
				own.Rules[d.String()] = append(own.Rules[d.String()], len(b.data.Rules))
				b.addRule(p, d, r)
			}
		}
		b.data.Policies = append(b.data.Policies, own)
	}
	// The first pod of a group speaks for all of it.
	for i, u := range b.units {
		if len(u.pods) == 0 {
			continue
		}
		for _, d := range ruleset.Directions {
			g := b.data.Groups[i]
			for _, p := range b.cluster.Isolating(u.pods[0], d) {
				g.By[d.String()] = append(g.By[d.String()], b.policyAt[p])
			}
			for _, p := range b.cluster.Auditing(u.pods[0], d) {
				g.Audits[d.String()] = append(g.Audits[d.String()], b.policyAt[p])
			}
		}
	}
	b.addLabels()
}

// addRule adds a rule.
func (b *builder) addRule(p *policy.Policy, d ruleset.Direction, r policy.Rule) {
	own := Rule{Policy: b.policyAt[p], Index: r.Index, Any: r.AnyPeer, Peers: []int{},
		Blocks: []string{}, Ports: b.addPorts(r)}
	for _, s := range r.Pods {
		own.Peers = append(own.Peers, b.addSelector(s))
	}
	if texts := ask.BlockTexts(b.cluster.Spec(p.Key), d, r.Index); len(texts) > 0 {
		own.Blocks = texts
	}
	// A pod of two families can be in a block with one of its addresses only.
	for i, f := range ruleset.Families {
		own.In[i] = b.rowOf(func(u unit) bool {
			return slices.ContainsFunc(u.addrs, func(a netip.Addr) bool {
				return ruleset.FamilyOf(a) == f && inBlocks(r, a)
			})
		})
	}
	b.data.Rules = append(b.data.Rules, own)
}

// inBlocks reports whether an address is in an ipBlock of a rule.
func inBlocks(r policy.Rule, a netip.Addr) bool {
	return slices.ContainsFunc(r.Blocks, func(b ruleset.Range) bool { return b.Contains(a) })
}

// rowOf returns the row of the groups that something is true of.
func (b *builder) rowOf(is func(unit) bool) int {
	set := newBits(len(b.units))
	for i, u := range b.units {
		if is(u) {
			set.set(i)
		}
	}
	return b.rows.addBits(set)
}

// addPorts returns the number of a rule's ports.
func (b *builder) addPorts(r policy.Rule) int {
	// Rules with the same text have the same ports.
	text := "every port"
	if !r.AnyPort {
		text = why.PortTexts(r)
	}
	at := b.ports.add(text)
	if at < len(b.data.Ports) {
		return at
	}
	met, byNumber := newBits(len(b.goals)), newBits(len(b.goals))
	for j, g := range b.goals {
		// Names of ports are those that the pods of the target give.
		var named *ask.Pod
		if pods := b.units[g.unit].pods; len(pods) > 0 {
			named = &pods[0]
		}
		if why.PortFit(r, named, g.port).Fits {
			met.set(j)
		}
		if why.PortFit(r, nil, g.port).Fits {
			byNumber.set(j)
		}
	}
	b.data.Ports = append(b.data.Ports, Ports{text, b.rows.addBits(met), b.rows.addBits(byNumber)})
	return at
}

// addSelector returns the number of a selector.
func (b *builder) addSelector(s *policy.Selector) int {
	at := b.selectors.add(s.String())
	if at < len(b.data.Selectors) {
		return at
	}
	// Without a namespaceSelector it is the namespace of the policy.
	own := Selector{Text: s.String(), Needs: []int{}}
	if s.Namespaces == nil {
		own.Needs = append(own.Needs, b.addNeed(Need{On: onName, Wants: s.Namespace}, s.Namespace,
			func(_ policy.Pod, ns policy.Namespace) bool { return ns.Name == s.Namespace }))
	} else {
		for _, r := range requirements(s.Namespaces) {
			// Of a namespace that is no object only the name is known.
			own.Needs = append(own.Needs, b.addNeed(needOf(r, onNamespace), s.Namespaces.String(),
				func(_ policy.Pod, ns policy.Namespace) bool {
					return r.Matches(labels.Set(ns.Labels)) && (!ns.Implied || s.MatchesNamespace(ns))
				}))
		}
	}
	for _, r := range requirements(s.Pods) {
		own.Needs = append(own.Needs, b.addNeed(needOf(r, onPod), r.String(),
			func(p policy.Pod, _ policy.Namespace) bool { return r.Matches(labels.Set(p.Labels)) }))
	}
	b.data.Selectors = append(b.data.Selectors, own)
	return at
}

// What a Need is about.
const (
	onPod       = "pod"
	onNamespace = "namespace"
	onName      = "name"
)

// needOf describes a requirement. The label that is the name of a namespace is better known as that.
func needOf(r labels.Requirement, on string) Need {
	if on == onNamespace && r.Key() == corev1.LabelMetadataName {
		on = onName
	}
	return Need{On: on, Key: r.Key(), Wants: why.Wants(r)}
}

// addNeed returns the number of a need. Needs with the same identity are met by the same pods.
func (b *builder) addNeed(
	n Need, identity string, met func(policy.Pod, policy.Namespace) bool,
) int {
	at := b.needs.add(strings.Join([]string{n.On, n.Key, n.Wants, identity}, "\x00"))
	if at < len(b.data.Needs) {
		return at
	}
	n.Met = b.rowOf(func(u unit) bool {
		// The internet is no pod, and no selector finds it.
		if len(u.pods) == 0 {
			return false
		}
		pod, counts := u.pods[0].Policy()
		return counts && met(pod, b.cluster.Namespace(pod.Namespace))
	})
	b.data.Needs = append(b.data.Needs, n)
	return at
}

// requirements returns those of a label selector, in one order.
func requirements(s labels.Selector) labels.Requirements {
	all, _ := s.Requirements()
	all = slices.Clone(all)
	slices.SortFunc(all, func(a, b labels.Requirement) int {
		return strings.Compare(a.String(), b.String())
	})
	return all
}

// addLabels adds the labels of pods and namespaces that a need looks at.
func (b *builder) addLabels() {
	// Others would only make the page larger.
	looked := map[string]map[string]bool{onPod: {}, onNamespace: {}, onName: {}}
	for _, n := range b.data.Needs {
		looked[n.On][n.Key] = true
	}
	for i := range b.data.Spaces {
		if s := &b.data.Spaces[i]; !s.Outside {
			s.Labels = b.labelsOf(b.cluster.Namespace(s.Name).Labels, looked[onNamespace])
		}
	}
	for i, u := range b.units {
		if len(u.pods) > 0 {
			b.data.Groups[i].Labels = b.labelsOf(u.pods[0].Labels, looked[onPod])
		}
	}
}

// labelsOf returns the numbers of the labels that are looked at.
func (b *builder) labelsOf(have map[string]string, looked map[string]bool) []int {
	numbers := []int{}
	for _, key := range slices.Sorted(maps.Keys(have)) {
		// A page of thousands of pods has each label once.
		if !looked[key] {
			continue
		}
		at := b.labels.add(key + "\x00" + have[key])
		if at == len(b.data.Labels) {
			b.data.Labels = append(b.data.Labels, [2]string{key, have[key]})
		}
		numbers = append(numbers, at)
	}
	slices.Sort(numbers)
	return numbers
}
