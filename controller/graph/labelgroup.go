package graph

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset/policy"
)

// group is the pods of a namespace that have the same labels. A selector chooses all of them or none, so that it is
// compared with groups: with thousands where there are a hundred thousand pods.
type group struct {
	ns      *namespace
	key     string // its labels as a text
	labels  map[string]string
	pods    map[*pod]bool
	matched []*selector // those in use that choose its pods
}

// label is one of a pod or namespace.
type label struct{ key, value string }

// places finds groups by one label of their pods.
type places struct {
	values map[label][]*group
	keys   map[string][]*group
}

func newPlaces() places { return places{map[label][]*group{}, map[string][]*group{}} }

func (x places) add(group *group) {
	for key, value := range group.labels {
		x.values[label{key, value}] = append(x.values[label{key, value}], group)
		x.keys[key] = append(x.keys[key], group)
	}
}

func (x places) remove(group *group) {
	for key, value := range group.labels {
		removeFrom(x.values, label{key, value}, group)
		removeFrom(x.keys, key, group)
	}
}

func removeFrom[K comparable](lists map[K][]*group, key K, group *group) {
	if lists[key] = without(lists[key], group); len(lists[key]) == 0 {
		delete(lists, key)
	}
}

// of returns the groups that meet a demand on pods' labels.
func (x places) of(d policy.Demand) []*group {
	if d.Of == policy.PodKey {
		return x.keys[d.Key]
	}
	return x.values[label{d.Key, d.Value}]
}

// groupKey is the same for equal labels: a zero byte is in none.
func groupKey(labels map[string]string) string {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		text.WriteString(key + "\x00" + labels[key] + "\x00")
	}
	return text.String()
}

// groupFor returns the group for a pod of the namespace with these labels; it may be new.
func (g *Graph) groupFor(ns *namespace, labels map[string]string) *group {
	key := groupKey(labels)
	x, exists := ns.groups[key]
	if !exists {
		x = &group{ns: ns, key: key, labels: labels, pods: map[*pod]bool{}}
		ns.groups[key] = x
		ns.places.add(x)
		g.places.add(x)
		x.choose(g.index.matching(labels, ns.Namespace))
	}
	return x
}

// join moves a pod to the pods that have its labels, or, where it is gone, to none, and says what that means for sets;
// was is what it held before.
func (g *Graph) join(p *pod, was policy.Pod) {
	from, to := p.group, p.group
	if !p.ns.pods[p] {
		to = nil
	} else if from == nil || !maps.Equal(from.labels, p.held.Labels) {
		to = g.groupFor(p.ns, p.held.Labels)
	}
	g.contribute(from, was, -1)
	g.contribute(to, p.held, 1)
	if from == to {
		return
	}
	p.group = to
	if to != nil {
		to.pods[p] = true
		g.count(to.labels, to.ns.Namespace, 1)
	}
	g.leave(from, p)
}

// leave takes a pod out of its group, which ends with its last pod.
func (g *Graph) leave(x *group, p *pod) {
	if x == nil {
		return
	}
	delete(x.pods, p)
	g.count(x.labels, x.ns.Namespace, -1)
	if len(x.pods) == 0 {
		x.choose(nil)
		delete(x.ns.groups, x.key)
		x.ns.places.remove(x)
		g.places.remove(x)
	}
}

// rematch looks again which selectors choose a group, whose namespace has other labels now.
func (g *Graph) rematch(x *group) {
	now := g.index.matching(x.labels, x.ns.Namespace)
	if len(now) == len(x.matched) && !slices.ContainsFunc(now, func(s *selector) bool { return !s.groups[x] }) {
		return
	}
	for p := range x.pods {
		g.contribute(x, p.held, -1)
	}
	x.choose(now)
	for p := range x.pods {
		g.contribute(x, p.held, 1)
	}
}

// choose says which selectors choose the group.
func (x *group) choose(now []*selector) {
	for _, s := range x.matched {
		delete(s.groups, x)
	}
	x.matched = now
	for _, s := range now {
		s.groups[x] = true
	}
}

// contribute notes that what one pod of a group puts into sets came (1) or went (-1).
func (g *Graph) contribute(x *group, held policy.Pod, by int) {
	if x == nil || len(held.Addrs) == 0 {
		return
	}
	for s := range x.sets() {
		if !s.sent {
			continue // it is handed out whole
		}
		for _, m := range s.source.Members(held) {
			s.pending[m] += by
		}
		g.stale[s] = true
	}
}

// sets yields the sets that the group's pods are in, each once.
func (x *group) sets() iter.Seq[*set] {
	seen := map[*set]bool{}
	return func(yield func(*set) bool) {
		for _, sel := range x.matched {
			for s := range sel.sets {
				if !seen[s] && !yield(s) {
					return
				}
				seen[s] = true
			}
		}
	}
}
