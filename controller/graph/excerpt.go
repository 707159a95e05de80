package graph

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Around returns as much of Program as decides flows between some addresses: what they are dispatched to, and all that
// this leads to. In a large cluster that is a small part of it.
func (g *Graph) Around(addrs []netip.Addr) *ruleset.Program {
	g.resolve()
	x := excerpt{graph: g, program: &ruleset.Program{Strict: g.strict, Node: g.ownAddrs()}, seen: map[any]bool{}}
	for _, a := range addrs {
		for _, d := range ruleset.Directions {
			x.subject(ruleset.Subject{Direction: d, Addr: a})
		}
	}
	x.program.Sets = slices.Concat(x.program.Sets, g.fixedSets(), g.strictSets())
	x.program.Sort()
	return x.program
}

// excerpt is a program that grows.
type excerpt struct {
	graph   *Graph
	program *ruleset.Program
	seen    map[any]bool // subjects and IDs of chains and sets that were looked at
}

func (x *excerpt) first(of any) bool {
	seen := x.seen[of]
	x.seen[of] = true
	return !seen
}

func (x *excerpt) subject(s ruleset.Subject) {
	id, dispatched := x.graph.dispatch.now[s]
	if dispatched && x.first(s) {
		x.program.Dispatch = append(x.program.Dispatch, ruleset.Dispatch{Direction: s.Direction, Addr: s.Addr, Chain: id})
		x.chain(id)
	}
}

func (x *excerpt) chain(id ruleset.ChainID) {
	chain, exists := x.graph.chains.now[id]
	if !exists || !x.first(id) {
		return
	}
	x.program.Chains = append(x.program.Chains, chain)
	for _, r := range chain.Rules {
		if r.Peer.HasSet() {
			x.set(r.Peer.Set)
		}
	}
	if chain.ByPort {
		x.set(ruleset.PortsOf(id))
	}
	for _, spans := range chain.Spans {
		x.set(spans)
	}
	if chain.Onward != "" {
		x.chain(chain.Onward)
	}
}

// set takes a set in, and the chains that its members lead to.
func (x *excerpt) set(id ruleset.SetID) {
	s, exists := x.graph.sets[id]
	if !exists || !x.first(id) {
		return
	}
	value := s.value()
	x.program.Sets = append(x.program.Sets, value)
	for _, m := range value.Members {
		if m.Chain != "" {
			x.chain(m.Chain)
		}
	}
}
