package graph

import (
	"net/netip"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Chain returns a chain of the program, as it was when Changes or Program was last
// called.
func (g *Graph) Chain(id ruleset.ChainID) (chain ruleset.Chain, exists bool) {
	chain, exists = g.chains.now[id]
	return chain, exists
}

// PodChains returns the names of the chains that pods of this node have, of both directions.
func (g *Graph) PodChains() (list []ruleset.ChainID) {
	for id, chain := range g.chains.now {
		if chain.Subject != "" {
			list = append(list, id)
		}
	}
	return list
}

// PeerAt returns the pod that is the peer at an address.
func (g *Graph) PeerAt(a netip.Addr) (key policy.Key, exists bool) {
	p := g.peerAt(a)
	if p == nil {
		return policy.Key{}, false
	}
	return p.claimed.Key, true
}

// NodeAt returns the node that states an address, and no pod can have; empty: none.
func (g *Graph) NodeAt(a netip.Addr) string {
	if g.isOwn(a) {
		return g.node
	}
	// Several nodes may state one address; the same one is named each time.
	first := ""
	for name := range g.reached[a] {
		if first == "" || name < first {
			first = name
		}
	}
	return first
}

// InPodRanges reports whether an address is in a pod range of any node.
func (g *Graph) InPodRanges(a netip.Addr) bool { return g.podRanges.Contains(a) }

// maxNearest is how many parts of policies NearestRules names: a tenant can have any number that say
// the same.
const maxNearest = 20

// NearestRules returns the parts of policies of which a rule of a chain is that has the port of a
// flow, so that only its peer is another one: the first of them, and how many others there are. What
// is looked up by port is left out.
func (g *Graph) NearestRules(chain ruleset.Chain, f ruleset.Flow) ruleset.Reason {
	for r := range chain.Rules() {
		// A set of addresses and ports has a port only together with its address.
		hasPort := r.Peer.Set.Kind != ruleset.AddressPorts && r.Carries(f)
		if r.Action == ruleset.Accept && hasPort && r.Origins[0].Policy != "" {
			n := min(len(r.Origins), maxNearest)
			reason := ruleset.ReasonOf(r.Origins[:n])
			if more := len(r.Origins) - n; more > 0 {
				reason += ruleset.Reason(", and " + ruleset.Others(more))
			}
			return reason
		}
	}
	// Pods that the same policies select share a chain, which theirs call.
	for call := range chain.Calls() {
		if reason := g.NearestRules(g.chains.now[call.Chain], f); reason != "" {
			return reason
		}
	}
	return ""
}
