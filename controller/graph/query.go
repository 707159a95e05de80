package graph

import (
	"net/netip"

	"github.com/picket-project/picket/ruleset/policy"
)

// Pod returns a pod that counts as its object says, with no address where there is none.
func (g *Graph) Pod(key policy.Key) policy.Pod {
	if p, known := g.pods[key]; known {
		return *p.claimed
	}
	return policy.Pod{Key: key}
}

// Held reports whether a pod has an address.
func (g *Graph) Held(a netip.Addr) bool { return g.holder(a) != nil }
