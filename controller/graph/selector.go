package graph

import (
	"iter"
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// selector is a choice of pods that a set of this node is made from.
type selector struct {
	*policy.Selector
	pods map[*pod]bool
	sets map[*set]bool
}

// set is a set of this node.
type set struct {
	source    policy.SetSource
	selectors []*selector // whose pods are members; none where members do not depend on pods
	users     int         // chains that speak of it
	sent      bool        // Changes has handed it out
	pending   map[ruleset.Member]int
	// pending counts additions (+1) and removals (-1) of members since the set was handed out. A member
	// belongs to one pod at a time, so the sum is -1, 0 or 1 when all is settled.
}

func (s *selector) add(g *Graph, p *pod) {
	s.pods[p] = true
	s.count(g, p, 1)
}

func (s *selector) remove(g *Graph, p *pod) {
	delete(s.pods, p)
	s.count(g, p, -1)
}

func (s *selector) count(g *Graph, p *pod, by int) {
	for set := range s.sets {
		if !set.sent || set.hasBesides(p, s) {
			continue // handed out whole later, or a member with and without
		}
		for _, m := range set.source.Members(p.held) {
			set.pending[m] += by
		}
		g.stale[set] = true
	}
}

// hasBesides reports whether a pod is a member for another selector's sake.
func (s *set) hasBesides(p *pod, but *selector) bool {
	return slices.ContainsFunc(s.selectors, func(other *selector) bool { return other != but && other.pods[p] })
}

// acquire returns the set of a source with one more user.
func (g *Graph) acquire(source policy.SetSource) *set {
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
func (g *Graph) restate(s *set, source policy.SetSource) {
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
			sel = &selector{Selector: choice, pods: map[*pod]bool{}, sets: map[*set]bool{}}
			g.selectors[choice.String()] = sel
			g.index.add(sel)
			g.scan(sel)
		}
		sel.sets[s] = true
		s.selectors = append(s.selectors, sel)
	}
}

// scan finds the pods of a selector that comes into use: a look at the namespaces that it may choose from, and at
// every pod of those that it does.
func (g *Graph) scan(sel *selector) {
	for _, ns := range g.scope(sel) {
		for p := range ns.pods {
			if len(p.held.Addrs) > 0 && sel.Matches(p.held, ns.Namespace) {
				sel.pods[p] = true
				p.matched = append(p.matched, sel)
			}
		}
	}
}

func (g *Graph) scope(sel *selector) []*namespace {
	if sel.Namespaces == nil {
		return []*namespace{g.namespace(sel.Namespace)}
	}
	var scope []*namespace
	wanted := anchors(sel.Selector)
	for ns := range g.candidates(sel) {
		if ns.holds(wanted) && sel.MatchesNamespace(ns.Namespace) {
			scope = append(scope, ns)
		}
	}
	return scope
}

// candidates are the namespaces that a selector may choose from: those with the one label that it demands of them, else
// all.
func (g *Graph) candidates(sel *selector) iter.Seq[*namespace] {
	if demanded := demands("", sel.Namespaces, namespaceValue, namespaceKey); len(demanded) == 1 && demanded[0].of == namespaceValue {
		return maps.Keys(g.labelled[label{demanded[0].key, demanded[0].value}])
	}
	return maps.Values(g.namespaces)
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
	for p := range sel.pods {
		p.matched = without(p.matched, sel)
	}
}

func without(list []*selector, s *selector) []*selector {
	for i := range list {
		if list[i] == s {
			list[i] = list[len(list)-1]
			return list[:len(list)-1]
		}
	}
	return list
}
