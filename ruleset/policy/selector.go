package policy

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Selector is a choice of pods: those that match Pods, either in one namespace or in every namespace that
// matches Namespaces. It never changes.
type Selector struct {
	Namespace  string          // this one, where Namespaces is nil
	Namespaces labels.Selector // these
	Pods       labels.Selector
	text       string
}

func podsIn(namespace string, pods labels.Selector) *Selector {
	return &Selector{Namespace: namespace, Pods: pods, text: fmt.Sprintf("%s in namespace %s", podsText(pods), namespace)}
}

func podsAcross(namespaces, pods labels.Selector) *Selector {
	where := "all namespaces"
	if !namespaces.Empty() {
		where = "namespaces with " + namespaces.String()
	}
	return &Selector{Namespaces: namespaces, Pods: pods, text: podsText(pods) + " in " + where}
}

// everyPod selects all pods of all namespaces.
func everyPod() *Selector { return podsAcross(labels.Everything(), labels.Everything()) }

func podsText(pods labels.Selector) string {
	if pods.Empty() {
		return "all pods"
	}
	return "pods " + pods.String()
}

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
	return s.Namespaces.Matches(labels.Set(ns.Labels))
}

// widened parses the parts of a selector that can be parsed; leaving the others out only selects more.
func widened(s *metav1.LabelSelector) labels.Selector {
	wide := labels.Everything()
	for key, value := range s.MatchLabels {
		wide = withPart(wide, &metav1.LabelSelector{MatchLabels: map[string]string{key: value}})
	}
	for _, e := range s.MatchExpressions {
		wide = withPart(wide, &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{e}})
	}
	return wide
}

func withPart(wide labels.Selector, part *metav1.LabelSelector) labels.Selector {
	parsed, err := metav1.LabelSelectorAsSelector(part)
	if err != nil {
		return wide
	}
	requirements, _ := parsed.Requirements()
	return wide.Add(requirements...)
}
