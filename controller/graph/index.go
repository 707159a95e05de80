package graph

import "github.com/picket-project/picket/ruleset/policy"

// selectorIndex finds the selectors that may select a pod without a look at the others:
// each selector is listed under its demands.
type selectorIndex map[policy.Demand][]*selector

// add lists a selector under each of its demands.
func (x selectorIndex) add(s *selector) {
	for _, d := range s.Demands() {
		x[d] = append(x[d], s)
	}
}

// remove takes a selector off the lists that add has put it on.
func (x selectorIndex) remove(s *selector) {
	for _, d := range s.Demands() {
		if x[d] = without(x[d], s); len(x[d]) == 0 {
			delete(x, d)
		}
	}
}

// matching returns the selectors that select pods with these labels. None is found
// twice, since a pod has one value per key.
func (x selectorIndex) matching(labels map[string]string, ns policy.Namespace) []*selector {
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

// label is a label of a pod or namespace.
type label struct{ key, value string }

// labelIndex finds groups of pods by one label of the pods.
type labelIndex struct {
	values map[label][]*labelGroup
	keys   map[string][]*labelGroup
}

// newLabelIndex returns an index without groups.
func newLabelIndex() labelIndex {
	return labelIndex{map[label][]*labelGroup{}, map[string][]*labelGroup{}}
}

// add lists a group under each of its labels, and under the key of each.
func (x labelIndex) add(group *labelGroup) {
	for key, value := range group.labels {
		x.values[label{key, value}] = append(x.values[label{key, value}], group)
		x.keys[key] = append(x.keys[key], group)
	}
}

// remove takes a group off the lists that add has put it on.
func (x labelIndex) remove(group *labelGroup) {
	for key, value := range group.labels {
		removeFrom(x.values, label{key, value}, group)
		removeFrom(x.keys, key, group)
	}
}

// of returns the groups that meet a demand on pods' labels.
func (x labelIndex) of(d policy.Demand) []*labelGroup {
	if d.Of == policy.PodKey {
		return x.keys[d.Key]
	}
	return x.values[label{d.Key, d.Value}]
}

// removeFrom takes a group off the list of a key, and drops a list that is empty.
func removeFrom[K comparable](lists map[K][]*labelGroup, key K, group *labelGroup) {
	if lists[key] = without(lists[key], group); len(lists[key]) == 0 {
		delete(lists, key)
	}
}

// without removes an item from a list, whose order does not matter.
func without[T comparable](list []T, item T) []T {
	for i := range list {
		if list[i] == item {
			list[i] = list[len(list)-1]
			clear(list[len(list)-1:])
			return list[:len(list)-1]
		}
	}
	return list
}
