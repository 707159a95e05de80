package graph

import (
	"iter"
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// selector is a selector that sets of this node come from.
type selector struct {
	*policy.Selector
	groups map[*labelGroup]bool // whose pods it selects
	sets   map[*set]bool        // that come from it
}

// count returns how many pods a selector selects.
func (s *selector) count() (pods int) {
	for x := range s.groups {
		pods += len(x.pods)
	}
	return pods
}

// set is a set of this node.
type set struct {
	source    compile.SetSource
	selectors []*selector // whose pods are members; none where members do not depend on pods
	users     int         // chains that use it
	sent      bool        // Changes has returned it

	// pending counts additions (+1) and removals (-1) of members since Changes returned
	// the set. A member belongs to one pod at a time, so the sum is -1, 0 or 1 once all
	// pods are up to date.
	pending map[ruleset.Member]int
}

// useSet returns the set of a source, with one more user.
func (g *Graph) useSet(source compile.SetSource) *set {
	s, exists := g.sets[source.ID]
	if !exists {
		s = &set{source: source, pending: map[ruleset.Member]int{}}
		g.sets[source.ID] = s
		g.changedSets[s] = true
		g.connectSelectors(s)
	}
	// What rules have done before may be in the kernel still.
	source.Actions = source.Actions.Union(s.source.Actions)
	s.source.Actions = source.Actions
	if source.ID.Kind == ruleset.PortMap {
		g.replaceJumps(s, source)
	}
	s.users++
	return s
}

// replaceJumps gives a port map, which one chain alone uses, other members.
func (g *Graph) replaceJumps(s *set, source compile.SetSource) {
	if s.sent {
		gone, come := ruleset.Moved(s.source.Jumps, source.Jumps)
		for _, m := range gone {
			s.pending[m]--
		}
		for _, m := range come {
			s.pending[m]++
		}
		g.changedSets[s] = true
	}
	s.source = source
}

// releaseSet takes a user away. A set without users is dropped in Changes, so that one
// which is needed again at once stays as it is.
func (g *Graph) releaseSet(s *set) {
	s.users--
	if s.users == 0 {
		g.changedSets[s] = true
	}
}

// connectSelectors connects a set with its selectors. Each selector is in use from its
// first set on.
func (g *Graph) connectSelectors(s *set) {
	for _, one := range s.source.Selectors {
		sel, exists := g.selectors[one.String()]
		if !exists {
			sel = &selector{Selector: one, groups: map[*labelGroup]bool{}, sets: map[*set]bool{}}
			g.selectors[one.String()] = sel
			g.index.add(sel)
			g.findGroups(sel)
		}
		sel.sets[s] = true
		s.selectors = append(s.selectors, sel)
	}
}

// findGroups finds the groups of a selector that comes into use, among those that meet
// its demands.
func (g *Graph) findGroups(sel *selector) {
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
func (g *Graph) candidates(sel *selector, d policy.Demand) iter.Seq[*labelGroup] {
	if d.Of == policy.PodValue || d.Of == policy.PodKey {
		return slices.Values(g.labelIndexFor(d).of(d))
	}
	return func(yield func(*labelGroup) bool) {
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

// labelIndexFor returns the index to look a demand on pods' labels up in.
func (g *Graph) labelIndexFor(d policy.Demand) labelIndex {
	if d.Namespace == "" {
		return g.byLabel
	}
	return g.namespace(d.Namespace).byLabel
}

// namespacesOf yields the namespaces whose pods meet a demand that is not on pods'
// labels.
func (g *Graph) namespacesOf(d policy.Demand) iter.Seq[*namespace] {
	switch {
	case d.Namespace != "":
		return slices.Values([]*namespace{g.namespace(d.Namespace)})
	case d.Of == policy.NamespaceValue:
		return maps.Keys(g.withLabel[label{d.Key, d.Value}])
	case d.Of == policy.NamespaceKey:
		return maps.Keys(g.withKey[d.Key])
	default:
		return maps.Values(g.namespaces)
	}
}

// dropSet drops a set without users, and selectors with their last set.
func (g *Graph) dropSet(s *set) {
	delete(g.sets, s.source.ID)
	for _, sel := range s.selectors {
		delete(sel.sets, s)
		if len(sel.sets) == 0 {
			g.dropSelector(sel)
		}
	}
}

// dropSelector drops a selector that no set comes from any more.
func (g *Graph) dropSelector(sel *selector) {
	delete(g.selectors, sel.String())
	g.index.remove(sel)
	for x := range sel.groups {
		x.matched = without(x.matched, sel)
	}
}
