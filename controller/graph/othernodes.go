package graph

import (
	"net/netip"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
)

// Elsewhere returns how flows between two addresses are judged on other nodes, where pods there
// have them: as much of their programs as decides these.
func (g *Graph) Elsewhere(a, b netip.Addr) []*ruleset.Program {
	var programs []*ruleset.Program
	s := compile.Snapshot{Denial: g.form.Denial}
	holders := []*pod{g.holder(a), g.holder(b)}
	for _, p := range holders {
		g.takeIn(&s, p)
	}
	for _, p := range holders {
		if p != nil && p.held.Node != g.node && p.held.Node != s.Node {
			s.Node = p.held.Node
			program, _ := compile.Compile(s)
			programs = append(programs, program)
		}
	}
	return programs
}

// takeIn adds a pod to a snapshot, and all that its policies depend on.
func (g *Graph) takeIn(s *compile.Snapshot, p *pod) {
	if p == nil {
		return
	}
	s.Pods = append(s.Pods, p.held)
	s.Nodes = append(s.Nodes, g.nodes[p.held.Node])
	s.Namespaces = append(s.Namespaces, p.ns.Namespace)
	for _, held := range p.ns.policies {
		s.Policies = append(s.Policies, held.Policy)
	}
}
