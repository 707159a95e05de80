package graph

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// Selected reports whether a policy selects pods of this node, and of any.
func (g *Graph) Selected(key policy.Key) (here, anywhere bool) {
	ns := g.namespaces[key.Namespace]
	if ns == nil || ns.policies[key] == nil {
		return false, false
	}
	subjects := &selector{Selector: ns.policies[key].Subjects}
	for p := range ns.local {
		if subjects.Matches(p.held, ns.Namespace) {
			return true, true
		}
	}
	for _, d := range subjects.Demands() {
		for x := range g.candidates(subjects, d) {
			if subjects.Matches(policy.Pod{Labels: x.labels}, ns.Namespace) {
				return false, true
			}
		}
	}
	return false, false
}

// Drawn returns one of the nodes by a draw that all of them hold alike: another for other texts, and the same for
// nearly all texts while nodes come and go.
func (g *Graph) Drawn(text string) string {
	if len(g.nodes) == 0 {
		return g.node
	}
	lot := uint8(hash(text)) // there are 256 draws, however many texts
	if _, held := g.drawn[lot]; !held {
		g.drawn[lot] = slices.MaxFunc(slices.Sorted(maps.Keys(g.nodes)), func(a, b string) int {
			return cmp.Compare(hash(fmt.Sprint(a, lot)), hash(fmt.Sprint(b, lot)))
		})
	}
	return g.drawn[lot]
}

// hash is the same on every node.
func hash(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}
