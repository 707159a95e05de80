package graph

import (
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// policyGroup is the pods of this node that the same policies isolate, or audit, in one
// direction, also where it is one pod.
type policyGroup struct {
	key       string // see compile.GroupKey
	direction ruleset.Direction
	effect    policy.Effect
	pods      map[*pod]bool
	group     compile.Group // of these pods; zero: not made since they changed

	// shares says that the pods' chains lead to others, which depend on who is in the
	// group.
	shares bool

	request compile.Request // what their policies need

	// refused says that the request is beyond the budget of a namespace or the node:
	// the pods are isolated, and nothing is allowed.
	refused bool
}

// compiled returns the group of these pods for the compiler.
func (x *policyGroup) compiled() compile.Group {
	if x.group == (compile.Group{}) {
		keys := make([]policy.Key, 0, len(x.pods))
		for p := range x.pods {
			keys = append(keys, p.claimed.Key)
		}
		x.group = compile.NewGroup(x.direction, x.effect, keys)
	}
	return x.group
}

// updatePolicyGroup updates which policies decide about a pod in a direction, and in which
// group it is for that.
func (g *Graph) updatePolicyGroup(p *pod, d ruleset.Direction) {
	x := &p.isolations[d]
	key := ""
	if x.as, x.by = g.subjectOf(p, d); x.by.Effect != policy.Frees {
		key = compile.GroupKey(x.as, d, x.by)
	}
	if x.group != nil && x.group.key == key {
		return
	}
	if old := x.group; old != nil {
		delete(old.pods, p)
		g.groupChanged(old)
		if len(old.pods) == 0 {
			g.dropPolicyGroup(old)
		}
	}
	if x.group = nil; key == "" {
		return
	}
	now, exists := g.policyGroups[key]
	if !exists {
		now = &policyGroup{key: key, direction: d, effect: x.by.Effect, pods: map[*pod]bool{}}
		g.policyGroups[key] = now
	}
	now.pods[p] = true
	x.group = now
	g.groupChanged(now)
}

// dropPolicyGroup drops a group without pods. What it needed is free for others.
func (g *Graph) dropPolicyGroup(x *policyGroup) {
	delete(g.policyGroups, x.key)
	g.stopCounting(x)
	delete(g.toMeasure, x)
	delete(g.regrouped, x)
	g.groupGone = true
}

// groupChanged notes that pods joined or left a group.
func (g *Graph) groupChanged(x *policyGroup) {
	x.group = compile.Group{}
	g.regrouped[x] = true
}

// assembleRegrouped assembles the chains of pods again that share a chain with others,
// after pods joined or left them.
func (g *Graph) assembleRegrouped() {
	for x := range g.regrouped {
		if !x.shares {
			continue
		}
		for p := range x.pods {
			if !g.dirty[p] {
				g.assemble(p, x.direction)
			}
		}
	}
	clear(g.regrouped)
}
