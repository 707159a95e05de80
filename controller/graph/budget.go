package graph

import (
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// Policies can ask for more than there is room for; see compile.Budgets. What they need follows from how many pods meet
// the demands of their selectors, which is counted for the demands of policies of this node's pods.

// watch counts the pods that meet a demand.
type watch struct {
	pods  int
	crews map[*crew]bool // whose policies demand it
}

// Limit lets policies need other than the default. It is for a graph that has not seen any event.
func (g *Graph) Limit(b compile.Budgets) { g.form.Budgets, g.budgets = b, b }

// Excess returns the policies for which there is not enough room on this node, and whether that is news since it was
// last called.
func (g *Graph) Excess() (problems []policy.Problem, news bool) {
	g.resolve()
	news, g.excessive = g.excessive, false
	return g.excess, news
}

// reach says how many pods meet a demand.
func (g *Graph) reach(d policy.Demand) int {
	if w := g.watched[d]; w != nil {
		return w.pods
	}
	pods := 0
	if d.Of == policy.PodValue || d.Of == policy.PodKey {
		for _, x := range g.placesOf(d).of(d) {
			pods += len(x.pods)
		}
		return pods
	}
	for ns := range g.namespacesOf(d) {
		pods += len(ns.pods)
	}
	return pods
}

// count notes that some pods with the same labels came or went, and which crews may need more or less for it.
func (g *Graph) count(labels map[string]string, ns policy.Namespace, pods int) {
	if len(g.watched) == 0 || pods == 0 {
		return
	}
	policy.EachDemand(labels, ns, func(d policy.Demand) {
		w := g.watched[d]
		if w == nil {
			return
		}
		before := g.budgets.Roughly(w.pods)
		w.pods += pods
		if g.budgets.Roughly(w.pods) != before {
			maps.Copy(g.crowded, w.crews)
		}
	})
}

// watch counts the pods that a crew's policies can choose, and no others for it.
func (g *Graph) watch(c *crew, policies []*policy.Policy) {
	if slices.Equal(c.claim.Policies, policies) {
		return
	}
	g.unwatch(c)
	c.claim.Policies = policies
	c.claim.EachDemand(c.direction, func(d policy.Demand) {
		w := g.watched[d]
		if w == nil {
			w = &watch{pods: g.reach(d), crews: map[*crew]bool{}}
			g.watched[d] = w
		}
		w.crews[c] = true
	})
}

func (g *Graph) unwatch(c *crew) {
	c.claim.EachDemand(c.direction, func(d policy.Demand) {
		if w := g.watched[d]; w != nil {
			delete(w.crews, c)
			if len(w.crews) == 0 {
				delete(g.watched, d)
			}
		}
	})
	c.claim = compile.Claim{}
}

// makeRoom says which policies may allow something, after pods of some crews were touched.
func (g *Graph) makeRoom() {
	for p := range g.dirty {
		for _, d := range ruleset.Directions {
			if c := p.judged[d].crew; c != nil {
				g.touched[c] = true
			}
		}
	}
	if len(g.touched)+len(g.crowded) == 0 && !g.fewer {
		return
	}
	g.fewer = false
	for c := range g.touched {
		g.redraft(c)
		delete(g.crowded, c)
	}
	for c := range g.crowded {
		fitted := c.claim.Fits(g.budgets)
		c.claim.Weigh(g.form.Roughly())
		if !fitted || !c.claim.Fits(g.budgets) {
			g.redraft(c)
		}
	}
	g.touched, g.crowded = emptied(g.touched), emptied(g.crowded)
	g.refuse()
}

// redraft looks anew at what a crew's policies need.
func (g *Graph) redraft(c *crew) {
	for p := range c.pods {
		by, left := p.judged[c.direction].by, c.claim.Left
		g.watch(c, by)
		c.claim = g.drafts.Draft(compile.Subject{Pod: p.judged[c.direction].as, Alike: c.alike, Direction: c.direction, Policies: by}, g.form).Claim
		if !slices.Equal(left, c.claim.Left) {
			g.reassemble(c)
		}
		return
	}
}

func (g *Graph) reassemble(c *crew) {
	for p := range c.pods {
		g.dirty[p] = true
	}
}

// refuse compares what all crews need with what there is room for.
func (g *Graph) refuse() {
	claims := make([]compile.Claim, 0, len(g.crews))
	for _, c := range g.crews {
		claims = append(claims, c.claim)
	}
	refused := g.budgets.Refuse(claims)
	for _, c := range g.crews {
		if now := refused[c.alike] != ""; now != c.refused {
			c.refused = now
			g.reassemble(c)
		}
	}
	excess := g.budgets.Excess(claims, refused)
	if !slices.EqualFunc(excess, g.excess, func(a, b policy.Problem) bool { return a.String() == b.String() }) {
		g.excess, g.excessive = excess, true
	}
}
