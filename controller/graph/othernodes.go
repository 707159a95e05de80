package graph

import (
	"net/netip"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
)

// OtherPrograms returns the programs of the other nodes that have a pod at one of two
// addresses: as much of each as decides flows between these two.
func (g *Graph) OtherPrograms(a, b netip.Addr) []*ruleset.Program {
	var programs []*ruleset.Program
	s := compile.Snapshot{Form: g.form.Form, Denial: g.form.Denial}
	peers := []*pod{g.peerAt(a), g.peerAt(b)}
	for _, p := range peers {
		g.addToSnapshot(&s, p)
	}
	for _, p := range peers {
		if p != nil && p.peer.Node != g.node && p.peer.Node != s.Node {
			s.Node = p.peer.Node
			program, _ := compile.Compile(s)
			programs = append(programs, program)
		}
	}
	return programs
}

// addToSnapshot adds a pod to a snapshot, and all that its policies depend on.
func (g *Graph) addToSnapshot(s *compile.Snapshot, p *pod) {
	if p == nil {
		return
	}
	s.Pods = append(s.Pods, p.peer)
	s.Nodes = append(s.Nodes, g.nodes[p.peer.Node])
	s.Namespaces = append(s.Namespaces, p.ns.Namespace)
	for _, known := range p.ns.policies {
		s.Policies = append(s.Policies, known.Policy)
	}
}
