package graph

import (
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Program returns everything that the kernel of this node should hold.
func (g *Graph) Program() *ruleset.Program {
	g.resolve()
	p := &ruleset.Program{
		Strict: g.strict,
		Node:   g.OwnAddrs(),
		Links:  slices.Collect(maps.Keys(g.links.now)),
		Chains: slices.Collect(maps.Values(g.chains.now)),
	}
	for _, s := range g.sets {
		if s.users > 0 {
			p.Sets = append(p.Sets, s.value())
		}
	}
	p.Sets = slices.Concat(p.Sets, g.fixedSets(), g.strictSets())
	for s, chain := range g.dispatch.now {
		dispatch := ruleset.Dispatch{Direction: s.Direction, Addr: s.Addr, Chain: chain}
		p.Dispatch = append(p.Dispatch, dispatch)
	}
	p.Sort()
	return p
}

// value returns the set with its members as they are now.
func (s *set) value() ruleset.Set {
	members, pods := s.source.Fixed(), 0
	for _, sel := range s.selectors {
		pods += sel.count()
	}
	members = slices.Grow(members, pods)
	for _, sel := range s.selectors {
		for x := range sel.groups {
			for p := range x.pods {
				members = s.source.AppendMembers(members, p.peer)
			}
		}
	}
	slices.SortFunc(members, ruleset.Member.Compare)
	members = slices.Compact(members) // of pods that several selectors select
	return ruleset.Set{ID: s.source.ID, Comment: s.source.Comment, Members: members}
}
