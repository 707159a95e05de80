package policy

import (
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// Demand is a label that a selector demands. A pod that the selector matches meets one
// of the selector's demands, so that selectors and pods find each other by them, and
// the number of pods that meet them bounds the number of pods that the selector
// matches.
type Demand struct {
	Namespace string // the pod's; empty: any
	Of        DemandKind
	Key       string
	Value     string
}

// DemandKind says whether the pod or its namespace must have a label, and which.
type DemandKind uint8

// The kinds of demand.
const (
	NoLabel        DemandKind = iota // every pod meets it
	PodValue                         // the pod has the key with this value
	PodKey                           // the pod has the key
	NamespaceValue                   // the pod's namespace has the key with this value
	NamespaceKey                     // the pod's namespace has the key
)

// Demands returns the demands of a selector: one for every value that the first
// requirement with values allows. The caller must not change the list.
func (s *Selector) Demands() []Demand { return s.demands }

// findDemands looks for a requirement on the pod's labels first: it says more than the
// others, since a namespace has many pods.
func (s *Selector) findDemands() []Demand {
	if found := demandsOf(s.Namespace, s.Pods, PodValue, PodKey); found != nil {
		return found
	}
	if s.Namespaces != nil {
		if found := demandsOf("", s.Namespaces, NamespaceValue, NamespaceKey); found != nil {
			return found
		}
	}
	return []Demand{{Namespace: s.Namespace}}
}

// demandsOf returns the demands of the first requirement that a label must be there.
// value and key are the kinds to use.
func demandsOf(namespace string, s labels.Selector, value, key DemandKind) []Demand {
	requirements, _ := s.Requirements()
	for _, r := range requirements {
		switch r.Operator() {
		case selection.In, selection.Equals, selection.DoubleEquals:
			var found []Demand
			for v := range r.Values() {
				found = append(found, Demand{namespace, value, r.Key(), v})
			}
			return found
		case selection.Exists:
			return []Demand{{namespace, key, r.Key(), ""}}
		}
	}
	return nil
}

// EachDemand hands over every demand that pods with these labels meet in a namespace,
// each once.
func EachDemand(pod map[string]string, ns Namespace, each func(Demand)) {
	for _, namespace := range []string{"", ns.Name} {
		each(Demand{Namespace: namespace})
		for key, value := range pod {
			each(Demand{namespace, PodValue, key, value})
			each(Demand{namespace, PodKey, key, ""})
		}
	}
	for key, value := range ns.Labels {
		each(Demand{"", NamespaceValue, key, value})
		each(Demand{"", NamespaceKey, key, ""})
	}
}
