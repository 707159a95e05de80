package graph

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset/policy"
)

// labelGroup is the pods of a namespace that have the same labels. A selector selects
// all of them or none, so that it is compared with groups: with thousands where there
// are a hundred thousand pods.
type labelGroup struct {
	ns      *namespace
	key     string // its labels as a text
	labels  map[string]string
	pods    map[*pod]bool
	matched []*selector // those in use that select its pods
}

// labelKey is the same for equal labels, and for no others: no label has a zero byte.
func labelKey(labels map[string]string) string {
	var text strings.Builder
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		text.WriteString(key + "\x00" + labels[key] + "\x00")
	}
	return text.String()
}

// labelGroupOf returns the group of a namespace for pods with these labels; it may be
// new.
func (g *Graph) labelGroupOf(ns *namespace, labels map[string]string) *labelGroup {
	key := labelKey(labels)
	x, exists := ns.groups[key]
	if !exists {
		x = &labelGroup{ns: ns, key: key, labels: labels, pods: map[*pod]bool{}}
		ns.groups[key] = x
		ns.byLabel.add(x)
		g.byLabel.add(x)
		x.setMatched(g.index.matching(labels, ns.Namespace))
	}
	return x
}

// updateLabelGroup moves a pod to the group that has its labels, or to none where the
// pod is gone, and records what that means for sets; was is the pod before.
func (g *Graph) updateLabelGroup(p *pod, was policy.Pod) {
	from, to := p.group, p.group
	if !p.ns.pods[p] {
		to = nil
	} else if from == nil || !maps.Equal(from.labels, p.peer.Labels) {
		to = g.labelGroupOf(p.ns, p.peer.Labels)
	}
	g.recordMembers(from, was, -1)
	g.recordMembers(to, p.peer, 1)
	if from == to {
		return
	}
	p.group = to
	if to != nil {
		to.pods[p] = true
		g.countPods(to.labels, to.ns.Namespace, 1)
	}
	g.leaveLabelGroup(from, p)
}

// leaveLabelGroup takes a pod out of its group, and drops the group with its last pod.
func (g *Graph) leaveLabelGroup(x *labelGroup, p *pod) {
	if x == nil {
		return
	}
	delete(x.pods, p)
	g.countPods(x.labels, x.ns.Namespace, -1)
	if len(x.pods) == 0 {
		x.setMatched(nil)
		delete(x.ns.groups, x.key)
		x.ns.byLabel.remove(x)
		g.byLabel.remove(x)
	}
}

// rematch updates which selectors select a group, whose namespace has other labels now.
func (g *Graph) rematch(x *labelGroup) {
	now := g.index.matching(x.labels, x.ns.Namespace)
	isNew := func(s *selector) bool { return !s.groups[x] }
	if len(now) == len(x.matched) && !slices.ContainsFunc(now, isNew) {
		return
	}
	for p := range x.pods {
		g.recordMembers(x, p.peer, -1)
	}
	x.setMatched(now)
	for p := range x.pods {
		g.recordMembers(x, p.peer, 1)
	}
}

// setMatched replaces the selectors that select the group.
func (x *labelGroup) setMatched(now []*selector) {
	for _, s := range x.matched {
		delete(s.groups, x)
	}
	x.matched = now
	for _, s := range now {
		s.groups[x] = true
	}
}

// recordMembers records for the next Changes that the members which one pod of a group
// puts into sets came (1) or went (-1).
func (g *Graph) recordMembers(x *labelGroup, peer policy.Pod, by int) {
	if x == nil || len(peer.Addrs) == 0 {
		return
	}
	for s := range x.sets() {
		if !s.sent {
			continue // Changes will send all of its members
		}
		for _, m := range s.source.Members(peer) {
			s.pending[m] += by
		}
		g.changedSets[s] = true
	}
}

// sets yields the sets that the group's pods are in, each once.
func (x *labelGroup) sets() iter.Seq[*set] {
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
