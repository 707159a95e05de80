package graph

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Excerpt returns as much of Program as decides flows between some addresses: the
// chains that these are dispatched to, and all sets and chains that those use. In a
// large cluster that is a small part of the program.
func (g *Graph) Excerpt(addrs []netip.Addr) *ruleset.Program {
	g.resolve()
	x := excerpt{
		graph: g, program: &ruleset.Program{Strict: g.strict, Node: g.OwnAddrs()},
		seen: map[any]bool{},
	}
	for _, a := range addrs {
		for _, d := range ruleset.Directions {
			x.addSubject(ruleset.Subject{Direction: d, Addr: a})
		}
	}
	x.program.Sets = slices.Concat(x.program.Sets, g.fixedSets(), g.strictSets())
	x.program.Sort()
	return x.program
}

// excerpt is a part of a program that grows by what it uses.
type excerpt struct {
	graph   *Graph
	program *ruleset.Program
	seen    map[any]bool // subjects, and IDs of chains and sets, that are in it
}

// isNew reports whether something is not in the excerpt yet, and notes that it is from
// now on.
func (x *excerpt) isNew(id any) bool {
	seen := x.seen[id]
	x.seen[id] = true
	return !seen
}

// addSubject adds the chain that an address is dispatched to in a direction, if there
// is one.
func (x *excerpt) addSubject(s ruleset.Subject) {
	id, dispatched := x.graph.dispatch.now[s]
	if dispatched && x.isNew(s) {
		dispatch := ruleset.Dispatch{Direction: s.Direction, Addr: s.Addr, Chain: id}
		x.program.Dispatch = append(x.program.Dispatch, dispatch)
		x.addChain(id)
	}
}

// addChain adds a chain, the sets that it uses, and the chains that it calls.
func (x *excerpt) addChain(id ruleset.ChainID) {
	chain, exists := x.graph.chains.now[id]
	if !exists || !x.isNew(id) {
		return
	}
	x.program.Chains = append(x.program.Chains, chain)
	for set := range chain.Sets() {
		x.addSet(set)
	}
	for call := range chain.Calls() {
		x.addChain(call.Chain)
	}
}

// addSet adds a set, and the chains that its members lead to.
func (x *excerpt) addSet(id ruleset.SetID) {
	s, exists := x.graph.sets[id]
	if !exists || !x.isNew(id) {
		return
	}
	value := s.value()
	x.program.Sets = append(x.program.Sets, value)
	for _, m := range value.Members {
		if m.Chain != "" {
			x.addChain(m.Chain)
		}
	}
}
