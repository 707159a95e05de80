package graph

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Program returns everything that the kernel of this node should hold.
func (g *Graph) Program() *ruleset.Program {
	g.resolve()
	p := &ruleset.Program{
		Strict: g.strict,
		Node:   slices.Clone(g.nodes[g.node].Addrs),
		Links:  slices.Collect(maps.Keys(g.links.now)),
		Chains: slices.Collect(maps.Values(g.chains.now)),
	}
	for _, s := range g.sets {
		if s.users > 0 {
			p.Sets = append(p.Sets, s.value())
		}
	}
	p.Sets = append(p.Sets, g.strictSets()...)
	for s, chain := range g.dispatch.now {
		p.Dispatch = append(p.Dispatch, ruleset.Dispatch{Direction: s.Direction, Addr: s.Addr, Chain: chain})
	}
	p.Sort()
	return p
}

// ProgramOf returns the part of the program that judges some addresses: for a flow between two of them it decides as
// all of it does.
func (g *Graph) ProgramOf(addrs map[netip.Addr]bool) *ruleset.Program {
	g.resolve()
	p := &ruleset.Program{Strict: g.strict, Node: slices.Clone(g.nodes[g.node].Addrs), Sets: g.strictSets()}
	chains, sets := map[ruleset.ChainID]bool{}, map[*set]bool{}
	for a := range addrs {
		for _, d := range ruleset.Directions {
			s := ruleset.Subject{Direction: d, Addr: a}
			if id, isolated := g.dispatch.now[s]; isolated {
				p.Dispatch = append(p.Dispatch, ruleset.Dispatch{Direction: d, Addr: a, Chain: id})
				chains[id] = true
				g.judgedBy(s, chains, sets)
			}
		}
	}
	for id := range chains {
		p.Chains = append(p.Chains, g.chains.now[id])
	}
	for s := range sets {
		p.Sets = append(p.Sets, s.value())
	}
	p.Sort()
	return p
}

// judgedBy adds the chains that a subject's leads to, and the sets that all of them speak of.
func (g *Graph) judgedBy(s ruleset.Subject, chains map[ruleset.ChainID]bool, sets map[*set]bool) {
	for _, p := range g.claims[s.Addr] {
		if p.part == nil {
			continue
		}
		part := p.judged[s.Direction]
		if !slices.Contains(part.subjects, s) {
			continue
		}
		for _, id := range part.shared {
			chains[id] = true
		}
		for _, set := range part.sources {
			sets[set] = true
		}
	}
}

// value returns the set with its members as they are now.
func (s *set) value() ruleset.Set {
	members := s.source.Fixed()
	for _, sel := range s.selectors {
		members = slices.Grow(members, len(sel.pods))
		for p := range sel.pods {
			members = append(members, s.source.Members(p.held)...)
		}
	}
	slices.SortFunc(members, ruleset.Member.Compare)
	members = slices.Compact(members) // of pods that several selectors choose
	return ruleset.Set{ID: s.source.ID, Comment: s.source.Comment, Members: members}
}
