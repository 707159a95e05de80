package graph

import "github.com/picket-project/picket/ruleset/policy"

// index finds the selectors that may choose a pod without a look at the others: each one lies under its demands.
type index map[policy.Demand][]*selector

func (x index) add(s *selector) {
	for _, d := range s.Demands() {
		x[d] = append(x[d], s)
	}
}

func (x index) remove(s *selector) {
	for _, d := range s.Demands() {
		if x[d] = without(x[d], s); len(x[d]) == 0 {
			delete(x, d)
		}
	}
}

// matching returns the selectors that choose pods with some labels. None is found twice: a pod has one value per key.
func (x index) matching(labels map[string]string, ns policy.Namespace) []*selector {
	var found []*selector
	pod := policy.Pod{Labels: labels}
	policy.EachDemand(labels, ns, func(d policy.Demand) {
		for _, s := range x[d] {
			if s.Matches(pod, ns) {
				found = append(found, s)
			}
		}
	})
	return found
}
