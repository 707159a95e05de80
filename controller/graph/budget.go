package graph

import (
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// Policies can ask for more than the budgets allow; see compile.Budgets. What they need
// follows from how many pods meet the demands of their selectors. These pods are
// counted for the demands of the policies that isolate pods of this node.

// podCounter counts the pods that meet a demand.
type podCounter struct {
	pods   int
	groups map[*policyGroup]bool // whose policies have the demand
}

// Limit replaces the default budgets. It is for a graph that has not seen any event.
func (g *Graph) Limit(b compile.Budgets) {
	g.form.Budgets = b
	g.budgets = g.form.Limits()
}

// Excess returns the policies that are beyond a budget on this node, and whether that
// is news since it was last called.
func (g *Graph) Excess() (problems []policy.Problem, news bool) {
	g.resolve()
	news, g.excessIsNews = g.excessIsNews, false
	return g.excess, news
}

// podCount returns how many pods meet a demand.
func (g *Graph) podCount(d policy.Demand) int {
	if c := g.counters[d]; c != nil {
		return c.pods
	}
	pods := 0
	if d.Of == policy.PodValue || d.Of == policy.PodKey {
		for _, x := range g.labelIndexFor(d).of(d) {
			pods += len(x.pods)
		}
		return pods
	}
	for ns := range g.namespacesOf(d) {
		pods += len(ns.pods)
	}
	return pods
}

// countPods counts pods with the same labels that came or went, and notes which groups
// may need more or less for it.
func (g *Graph) countPods(labels map[string]string, ns policy.Namespace, pods int) {
	if len(g.counters) == 0 || pods == 0 {
		return
	}
	policy.EachDemand(labels, ns, func(d policy.Demand) {
		c := g.counters[d]
		if c == nil {
			return
		}
		before := g.budgets.Round(c.pods)
		c.pods += pods
		if g.budgets.Round(c.pods) != before {
			maps.Copy(g.toMeasure, c.groups)
		}
	})
}

// countFor counts the pods for the demands of a group's policies, and no others for
// this group.
func (g *Graph) countFor(x *policyGroup, policies []*policy.Policy) {
	if slices.Equal(x.request.Policies, policies) {
		return
	}
	g.stopCounting(x)
	x.request.Policies = policies
	x.request.EachDemand(x.direction, func(d policy.Demand) {
		c := g.counters[d]
		if c == nil {
			c = &podCounter{pods: g.podCount(d), groups: map[*policyGroup]bool{}}
			g.counters[d] = c
		}
		c.groups[x] = true
	})
}

// stopCounting ends the counts that only this group needs, and clears its request.
func (g *Graph) stopCounting(x *policyGroup) {
	x.request.EachDemand(x.direction, func(d policy.Demand) {
		if c := g.counters[d]; c != nil {
			delete(c.groups, x)
			if len(c.groups) == 0 {
				delete(g.counters, d)
			}
		}
	})
	x.request = compile.Request{}
}

// applyBudgets decides which policies may allow something, where what they need can
// have changed.
func (g *Graph) applyBudgets() {
	toCompile := map[*policyGroup]bool{}
	for p := range g.dirty {
		for _, d := range ruleset.Directions {
			if x := p.isolations[d].group; x != nil {
				toCompile[x] = true
			}
		}
	}
	// Where chains are copied, what a group needs depends on how many pods it has.
	copies := g.form.Copies && len(g.regrouped) > 0
	if len(toCompile)+len(g.toMeasure) == 0 && !g.groupGone && !copies {
		return
	}
	g.groupGone = false
	for x := range toCompile {
		g.updateRequest(x)
		delete(g.toMeasure, x)
	}
	for x := range g.toMeasure {
		fitted := x.request.Fits(g.budgets)
		x.request.Measure(g.form.RoundedCount())
		if !fitted || !x.request.Fits(g.budgets) {
			g.updateRequest(x)
		}
	}
	g.toMeasure = emptied(g.toMeasure)
	g.refuse()
}

// updateRequest asks the compiler anew what a group's policies need.
func (g *Graph) updateRequest(x *policyGroup) {
	for p := range x.pods { // any of them
		subject, excluded := p.isolations[x.direction].subject(), x.request.Excluded
		g.countFor(x, subject.Policies)
		x.request = g.cache.Template(subject, g.form).Request
		if !slices.Equal(excluded, x.request.Excluded) {
			g.markGroup(x)
		}
		return
	}
}

// markGroup marks the pods of a group, whose chains must be assembled again.
func (g *Graph) markGroup(x *policyGroup) {
	for p := range x.pods {
		g.dirty[p] = true
	}
}

// refuse compares what all groups need with the budgets of namespaces and the node.
func (g *Graph) refuse() {
	requests := make([]compile.Request, 0, len(g.policyGroups))
	for _, x := range g.policyGroups {
		requests = append(requests, x.request.OnPods(len(x.pods), g.form.Form))
	}
	refused := g.budgets.Refuse(requests)
	for _, x := range g.policyGroups {
		if now := refused[x.key] != ""; now != x.refused {
			x.refused = now
			g.markGroup(x)
		}
	}
	excess := g.budgets.Excess(requests, refused)
	if !slices.EqualFunc(excess, g.excess, sameProblem) {
		g.excess, g.excessIsNews = excess, true
	}
}

// sameProblem reports whether two problems say the same to people.
func sameProblem(a, b policy.Problem) bool { return a.String() == b.String() }
