package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/picket-project/picket/ruleset"
)

// Selector selects pods: those that match Pods, either in one namespace or in every
// namespace that matches Namespaces. It never changes.
type Selector struct {
	Namespace  string          // the one namespace, where Namespaces is nil
	Namespaces labels.Selector // nil: only Namespace
	Pods       labels.Selector
	text       string
	digest     string // of the text
	demands    []Demand
}

// podsIn selects pods of one namespace.
func podsIn(namespace string, pods labels.Selector) *Selector {
	s := &Selector{Namespace: namespace, Pods: pods}
	return s.described(fmt.Sprintf("%s in namespace %s", podsText(pods), namespace))
}

// podsAcross selects pods of all namespaces that a selector matches.
func podsAcross(namespaces, pods labels.Selector) *Selector {
	where := "all namespaces"
	if !namespaces.Empty() {
		where = "namespaces with " + labelsText(namespaces)
	}
	s := &Selector{Namespaces: namespaces, Pods: pods}
	return s.described(podsText(pods) + " in " + where)
}

// described fills in what follows from the selector's fields and its description.
func (s *Selector) described(text string) *Selector {
	s.text, s.digest = text, ruleset.Digest(text)
	s.demands = s.findDemands()
	return s
}

// EveryPod selects all pods of all namespaces.
func EveryPod() *Selector { return podsAcross(labels.Everything(), labels.Everything()) }

// podsText describes which pods of a namespace a label selector matches; an empty one
// matches all.
func podsText(pods labels.Selector) string {
	if pods.Empty() {
		return "all pods"
	}
	return "pods " + labelsText(pods)
}

// labelsText prints a label selector, always in one order: apimachinery sorts by key
// alone, starting from the random order of a map, so that its text can change where a
// key has several requirements.
func labelsText(s labels.Selector) string {
	requirements, _ := s.Requirements()
	byText := func(a, b labels.Requirement) int {
		return cmp.Or(strings.Compare(a.Key(), b.Key()), strings.Compare(a.String(), b.String()))
	}
	requirements = slices.SortedFunc(slices.Values(requirements), byText)
	texts := make([]string, len(requirements))
	for i, r := range requirements {
		texts[i] = r.String()
	}
	return strings.Join(texts, ",")
}

// String describes the selector, and is its identity: equal texts select the same pods.
func (s *Selector) String() string { return s.text }

// Digest is the identity of the selector in the name of a set.
func (s *Selector) Digest() string { return s.digest }

// Matches reports whether the selector selects the pod of that namespace.
func (s *Selector) Matches(p Pod, ns Namespace) bool {
	return s.MatchesNamespace(ns) && s.Pods.Matches(labels.Set(p.Labels))
}

// MatchesNamespace reports whether the selector can select pods of that namespace.
func (s *Selector) MatchesNamespace(ns Namespace) bool {
	if s.Namespaces == nil {
		return s.Namespace == ns.Name
	}
	if ns.Implied && !byNameAlone(s.Namespaces) {
		return false
	}
	return s.Namespaces.Matches(labels.Set(ns.Labels))
}

// byNameAlone reports whether a selector of namespaces asks for nothing but their
// names. An implied namespace has labels that nobody knows yet: a selector that asks
// for the absence of one must not match it.
func byNameAlone(s labels.Selector) bool {
	requirements, _ := s.Requirements()
	asksMore := func(r labels.Requirement) bool { return r.Key() != corev1.LabelMetadataName }
	return !slices.ContainsFunc(requirements, asksMore)
}

// widened parses the parts of a selector that can be parsed; leaving the others out
// only selects more.
func widened(s *metav1.LabelSelector) labels.Selector {
	var sound labels.Requirements
	for _, part := range parts(s) {
		if parsed, err := metav1.LabelSelectorAsSelector(part); err == nil {
			requirements, _ := parsed.Requirements()
			sound = append(sound, requirements...)
		}
	}
	return labels.Everything().Add(sound...) // all at once, since each call sorts
}

// reason says in one line what is wrong with the first wrong part of a selector.
func reason(s *metav1.LabelSelector) string {
	for _, part := range parts(s) {
		if _, err := metav1.LabelSelectorAsSelector(part); err != nil {
			line, _, _ := strings.Cut(err.Error(), "\n")
			return shorten(line, maxReason) + expectedOperator(part)
		}
	}
	return ""
}

// expectedOperator adds what apimachinery does not say: which operators there are.
func expectedOperator(part *metav1.LabelSelector) string {
	for _, e := range part.MatchExpressions {
		if !slices.Contains(operators, e.Operator) {
			return ": expected In, NotIn, Exists or DoesNotExist"
		}
	}
	return ""
}

var operators = []metav1.LabelSelectorOperator{
	metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn,
	metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist,
}

// parts splits a selector into its requirements, labels first, by their keys.
func parts(s *metav1.LabelSelector) []*metav1.LabelSelector {
	var list []*metav1.LabelSelector
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		one := map[string]string{key: s.MatchLabels[key]}
		list = append(list, &metav1.LabelSelector{MatchLabels: one})
	}
	for _, e := range s.MatchExpressions {
		one := []metav1.LabelSelectorRequirement{e}
		list = append(list, &metav1.LabelSelector{MatchExpressions: one})
	}
	return list
}
