package graph

import (
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	"github.com/picket-project/picket/ruleset/policy"
)

// index finds the selectors that may choose a pod without a look at the others: each one lies under one
// label that it demands (of the pod, else of the namespace), or under none.
type index map[anchor][]*selector

// anchor is a label that a selector demands.
type anchor struct {
	namespace string // the selector's own; empty where it chooses across namespaces
	of        kind
	key       string
	value     string
}

type kind uint8

const (
	nothing        kind = iota // demands no label
	podValue                   // pod has key with this value
	podKey                     // pod has key
	namespaceValue             // namespace has key with this value
	namespaceKey               // namespace has key
)

func (x index) add(s *selector) {
	for _, a := range anchors(s.Selector) {
		x[a] = append(x[a], s)
	}
}

func (x index) remove(s *selector) {
	for _, a := range anchors(s.Selector) {
		if x[a] = without(x[a], s); len(x[a]) == 0 {
			delete(x, a)
		}
	}
}

// matching returns the selectors that choose a pod. None is found twice: a pod has one value per key.
func (x index) matching(p policy.Pod, ns policy.Namespace) []*selector {
	var found []*selector
	look := func(a anchor) {
		for _, s := range x[a] {
			if s.Matches(p, ns) {
				found = append(found, s)
			}
		}
	}
	for _, scope := range []string{"", ns.Name} {
		look(anchor{namespace: scope})
		for key, value := range p.Labels {
			look(anchor{scope, podValue, key, value})
			look(anchor{scope, podKey, key, ""})
		}
	}
	for key, value := range ns.Labels {
		look(anchor{"", namespaceValue, key, value})
		look(anchor{"", namespaceKey, key, ""})
	}
	return found
}

// anchors returns where a selector lies: under every value that its first demand allows.
func anchors(s *policy.Selector) []anchor {
	if found := demands(s.Namespace, s.Pods, podValue, podKey); found != nil {
		return found
	}
	if s.Namespaces != nil {
		if found := demands("", s.Namespaces, namespaceValue, namespaceKey); found != nil {
			return found
		}
	}
	return []anchor{{namespace: s.Namespace}}
}

func demands(namespace string, s labels.Selector, value, key kind) []anchor {
	requirements, _ := s.Requirements()
	for _, r := range requirements {
		switch r.Operator() {
		case selection.In, selection.Equals, selection.DoubleEquals:
			var found []anchor
			for v := range r.Values() {
				found = append(found, anchor{namespace, value, r.Key(), v})
			}
			return found
		case selection.Exists:
			return []anchor{{namespace, key, r.Key(), ""}}
		}
	}
	return nil
}
