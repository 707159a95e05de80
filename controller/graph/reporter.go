package graph

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// Selected reports whether a policy selects pods of this node, and pods of any node. A
// node with such pods reports the policy's problems.
func (g *Graph) Selected(key policy.Key) (here, anywhere bool) {
	ns := g.namespaces[key.Namespace]
	if ns == nil || ns.policies[key] == nil {
		return false, false
	}
	subjects := &selector{Selector: ns.policies[key].Subjects}
	for p := range ns.local {
		if subjects.Matches(p.peer, ns.Namespace) {
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

// ChosenNode returns one of the nodes, which all nodes choose alike: a different one
// for different texts, and for nearly all texts the same one while nodes come and go.
// It reports the problems of a policy that selects no pod.
func (g *Graph) ChosenNode(text string) string {
	if len(g.nodes) == 0 {
		return g.node
	}
	bucket := uint8(hash(text)) // there are 256 choices to remember, however many texts
	if _, known := g.chosen[bucket]; !known {
		byHash := func(a, b string) int {
			return cmp.Compare(hash(fmt.Sprint(a, bucket)), hash(fmt.Sprint(b, bucket)))
		}
		g.chosen[bucket] = slices.MaxFunc(slices.Sorted(maps.Keys(g.nodes)), byHash)
	}
	return g.chosen[bucket]
}

// hash is the same on every node.
func hash(text string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(text))
	return h.Sum64()
}
