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

// Selector is a choice of pods: those that match Pods, either in one namespace or in every namespace that
// matches Namespaces. It never changes.
type Selector struct {
	Namespace  string          // this one, where Namespaces is nil
	Namespaces labels.Selector // these
	Pods       labels.Selector
	text       string
	digest     string // of the text
	demands    []Demand
}

func podsIn(namespace string, pods labels.Selector) *Selector {
	return (&Selector{Namespace: namespace, Pods: pods}).named(fmt.Sprintf("%s in namespace %s", podsText(pods), namespace))
}

func podsAcross(namespaces, pods labels.Selector) *Selector {
	where := "all namespaces"
	if !namespaces.Empty() {
		where = "namespaces with " + labelsText(namespaces)
	}
	return (&Selector{Namespaces: namespaces, Pods: pods}).named(podsText(pods) + " in " + where)
}

func (s *Selector) named(text string) *Selector {
	s.text, s.digest = text, ruleset.Digest(text)
	s.demands = s.firstDemands()
	return s
}

// EveryPod selects all pods of all namespaces.
func EveryPod() *Selector { return podsAcross(labels.Everything(), labels.Everything()) }

func podsText(pods labels.Selector) string {
	if pods.Empty() {
		return "all pods"
	}
	return "pods " + labelsText(pods)
}

// labelsText prints a selector, always in one order: apimachinery sorts by key alone, starting from the random
// order of a map, so that its text can change where a key has several requirements.
func labelsText(s labels.Selector) string {
	requirements, _ := s.Requirements()
	requirements = slices.SortedFunc(slices.Values(requirements), func(a, b labels.Requirement) int {
		return cmp.Or(strings.Compare(a.Key(), b.Key()), strings.Compare(a.String(), b.String()))
	})
	texts := make([]string, len(requirements))
	for i, r := range requirements {
		texts[i] = r.String()
	}
	return strings.Join(texts, ",")
}

// Digest names the sets that are made from the choice.
func (s *Selector) Digest() string { return s.digest }

// String is both the description and the identity of the choice: equal texts select the same pods.
func (s *Selector) String() string { return s.text }

// Matches reports whether the pod of that namespace is chosen.
func (s *Selector) Matches(p Pod, ns Namespace) bool {
	return s.MatchesNamespace(ns) && s.Pods.Matches(labels.Set(p.Labels))
}

// MatchesNamespace reports whether pods of that namespace can be chosen.
func (s *Selector) MatchesNamespace(ns Namespace) bool {
	if s.Namespaces == nil {
		return s.Namespace == ns.Name
	}
	if ns.Unheard && !byNameAlone(s.Namespaces) {
		return false
	}
	return s.Namespaces.Matches(labels.Set(ns.Labels))
}

// byNameAlone reports whether a selector of namespaces asks for nothing but their names. Of a namespace that was not
// heard of yet, more is not known: what asks for the absence of a label must not take it for one without.
func byNameAlone(s labels.Selector) bool {
	requirements, _ := s.Requirements()
	return !slices.ContainsFunc(requirements, func(r labels.Requirement) bool { return r.Key() != corev1.LabelMetadataName })
}

// widened parses the parts of a selector that can be parsed; leaving the others out only selects more.
func widened(s *metav1.LabelSelector) labels.Selector {
	var sound labels.Requirements
	for _, part := range parts(s) {
		if parsed, err := metav1.LabelSelectorAsSelector(part); err == nil {
			requirements, _ := parsed.Requirements()
			sound = append(sound, requirements...)
		}
	}
	return labels.Everything().Add(sound...) // at once: each time it sorts
}

// reason says in one line what is wrong with the first wrong part of a selector.
func reason(s *metav1.LabelSelector) string {
	for _, part := range parts(s) {
		if _, err := metav1.LabelSelectorAsSelector(part); err != nil {
			line, _, _ := strings.Cut(err.Error(), "\n")
			return short(line, maxReason) + expectedOperator(part)
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
	metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn, metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist,
}

// parts takes a selector apart into its requirements, labels first, by their keys.
func parts(s *metav1.LabelSelector) []*metav1.LabelSelector {
	var list []*metav1.LabelSelector
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		list = append(list, &metav1.LabelSelector{MatchLabels: map[string]string{key: s.MatchLabels[key]}})
	}
	for _, e := range s.MatchExpressions {
		list = append(list, &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{e}})
	}
	return list
}
