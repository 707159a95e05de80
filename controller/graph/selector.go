package graph

import (
	"iter"
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// selector is a choice of pods that a set of this node is made from.
type selector struct {
	*policy.Selector
	groups map[*group]bool // whose pods it chooses
	sets   map[*set]bool
}

// set is a set of this node.
type set struct {
	source    compile.SetSource
	selectors []*selector // whose pods are members; none where members do not depend on pods
	users     int         // chains that speak of it
	sent      bool        // Changes has handed it out
	pending   map[ruleset.Member]int
	// pending counts additions (+1) and removals (-1) of members since the set was handed out. A member
	// belongs to one pod at a time, so the sum is -1, 0 or 1 when all is settled.
}

// acquire returns the set of a source with one more user.
func (g *Graph) acquire(source compile.SetSource) *set {
	s, exists := g.sets[source.ID]
	if !exists {
		s = &set{source: source, pending: map[ruleset.Member]int{}}
		g.sets[source.ID] = s
		g.stale[s] = true
		g.follow(s)
	}
	if source.ID.Kind == ruleset.PortMap {
		g.restate(s, source)
	}
	s.users++
	return s
}

// restate gives a set that one chain alone has other members.
func (g *Graph) restate(s *set, source compile.SetSource) {
	if s.sent {
		gone, come := ruleset.Moved(s.source.Jumps, source.Jumps)
		for _, m := range gone {
			s.pending[m]--
		}
		for _, m := range come {
			s.pending[m]++
		}
		g.stale[s] = true
	}
	s.source = source
}

// release takes a user away; a set without users is dropped in Changes, so that one which is needed again
// at once stays as it is.
func (g *Graph) release(s *set) {
	s.users--
	if s.users == 0 {
		g.stale[s] = true
	}
}

// follow connects a set with its selectors, each of which starts to be in use with its first set.
func (g *Graph) follow(s *set) {
	for _, choice := range s.source.Selectors {
		sel, exists := g.selectors[choice.String()]
		if !exists {
			sel = &selector{Selector: choice, groups: map[*group]bool{}, sets: map[*set]bool{}}
			g.selectors[choice.String()] = sel
			g.index.add(sel)
			g.scan(sel)
		}
		sel.sets[s] = true
		s.selectors = append(s.selectors, sel)
	}
}

// scan finds the groups of a selector that comes into use: a look at those that meet its demands.
func (g *Graph) scan(sel *selector) {
	for _, d := range sel.Demands() {
		for x := range g.candidates(sel, d) {
			if sel.Matches(policy.Pod{Labels: x.labels}, x.ns.Namespace) {
				sel.groups[x] = true
				x.matched = append(x.matched, sel)
			}
		}
	}
}

// candidates yields the groups that meet a demand of a selector.
func (g *Graph) candidates(sel *selector, d policy.Demand) iter.Seq[*group] {
	if d.Of == policy.PodValue || d.Of == policy.PodKey {
		return slices.Values(g.placesOf(d).of(d))
	}
	return func(yield func(*group) bool) {
		for ns := range g.namespacesOf(d) {
			if !sel.MatchesNamespace(ns.Namespace) {
				continue
			}
			for _, x := range ns.groups {
				if !yield(x) {
					return
				}
			}
		}
	}
}

// placesOf are the groups among which those are that meet a demand on pods' labels.
func (g *Graph) placesOf(d policy.Demand) places {
	if d.Namespace == "" {
		return g.places
	}
	return g.namespace(d.Namespace).places
}

// namespacesOf yields the namespaces whose pods meet a demand that is not on pods' labels.
func (g *Graph) namespacesOf(d policy.Demand) iter.Seq[*namespace] {
	switch {
	case d.Namespace != "":
		return slices.Values([]*namespace{g.namespace(d.Namespace)})
	case d.Of == policy.NamespaceValue:
		return maps.Keys(g.labelled[label{d.Key, d.Value}])
	case d.Of == policy.NamespaceKey:
		return maps.Keys(g.keyed[d.Key])
	default:
		return maps.Values(g.namespaces)
	}
}

// drop takes a set that nobody uses out of the graph, and with their last set its selectors.
func (g *Graph) drop(s *set) {
	delete(g.sets, s.source.ID)
	for _, sel := range s.selectors {
		delete(sel.sets, s)
		if len(sel.sets) == 0 {
			g.dropSelector(sel)
		}
	}
}

func (g *Graph) dropSelector(sel *selector) {
	delete(g.selectors, sel.String())
	g.index.remove(sel)
	for x := range sel.groups {
		x.matched = without(x.matched, sel)
	}
}

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
