package graph

import (
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// resolve assembles the chains of the pods that were touched.
func (g *Graph) resolve() {
	g.catchUp()
	g.drafts.Begin()
	for p := range g.dirty {
		if p.part == nil {
			p.part = &part{}
		}
		for _, d := range ruleset.Directions {
			g.enlist(p, d)
		}
	}
	g.makeRoom()
	for p := range g.dirty {
		for _, d := range ruleset.Directions {
			g.assemble(p, d)
		}
	}
	g.regroup()
	for p := range g.dirty {
		g.bury(p)
	}
	g.dirty = emptied(g.dirty)
}

// assemble brings one chain, what it speaks of and what is dispatched to it up to date.
func (g *Graph) assemble(p *pod, d ruleset.Direction) {
	now := judged{as: p.judged[d].as, by: p.judged[d].by, crew: p.judged[d].crew}
	id := ruleset.NewChainID(d, p.claimed.Namespace, p.claimed.Name)
	if now.crew != nil {
		judgement := g.judgement(now)
		now.crew.shares = len(judgement.Shared) > 0
		for _, source := range judgement.Sources {
			now.sources = append(now.sources, g.acquire(source))
		}
		for _, shared := range judgement.Shared {
			now.shared = append(now.shared, shared.ID)
			g.share(shared)
		}
		for _, a := range now.as.Addrs {
			now.subjects = append(now.subjects, ruleset.Subject{Direction: d, Addr: a})
		}
		g.chains.set(id, judgement.Chain)
	} else {
		g.chains.delete(id)
	}
	for _, s := range p.judged[d].sources {
		g.release(s)
	}
	for _, id := range p.judged[d].shared {
		g.unshare(id)
	}
	g.redirect(id, p.judged[d].subjects, now.subjects)
	p.judged[d] = now
}

// judgement is that of a subject by its crew's policies.
func (g *Graph) judgement(j judged) compile.Judgement {
	d := j.crew.direction
	draft := g.drafts.Draft(compile.Subject{Pod: j.as, Alike: j.crew.alike, Direction: d, Policies: j.by}, g.form)
	if j.crew.refused {
		return draft.Refused(j.as, g.form)
	}
	return draft.Judgement(j.as, g.form, func() compile.Crew { return j.crew.crew(d) })
}

// judged is what a pod's judgement in one direction takes part in.
type judged struct {
	as       policy.Pod
	by       []*policy.Policy
	crew     *crew // nil: not isolated
	sources  []*set
	shared   []ruleset.ChainID // that it leads to
	subjects []ruleset.Subject
}

// share takes one more user of a chain that many may lead to into account, unshare one less.
func (g *Graph) share(c ruleset.Chain) {
	if g.shared[c.ID]++; g.shared[c.ID] == 1 || c.ByPort || len(c.Spans) > 0 { // the name of the others says all
		g.chains.set(c.ID, c)
	}
}

func (g *Graph) unshare(id ruleset.ChainID) {
	if g.shared[id]--; g.shared[id] == 0 {
		delete(g.shared, id)
		g.chains.delete(id)
	}
}

// isolating returns the policies that isolate a pod of this node in a direction, sorted.
func (g *Graph) isolating(p policy.Pod, d ruleset.Direction) []*policy.Policy {
	ns, known := g.namespaces[p.Namespace]
	if !known {
		return nil
	}
	var isolating []*policy.Policy
	for _, policy := range ns.policies {
		if policy.Selects(p, ns.Namespace, d) {
			isolating = append(isolating, policy.Policy)
		}
	}
	slices.SortFunc(isolating, func(a, b *policy.Policy) int { return a.Key.Compare(b.Key) })
	return isolating
}

// subjectOf says as whom a pod is judged in a direction, and by which policies, if it is isolated.
func (g *Graph) subjectOf(p *pod, d ruleset.Direction) (as policy.Pod, by []*policy.Policy, isolated bool) {
	if len(p.stands) > 0 {
		isolating := func(one policy.Pod) []*policy.Policy { return g.isolating(one, d) }
		return policy.StandIn(p.claimed.Addrs[0], p.stands, isolating)
	}
	if len(p.subject.Addrs) == 0 {
		return p.subject, nil, false
	}
	by = g.isolating(p.subject, d)
	return p.subject, by, len(by) > 0
}

// bury lets go of a pod whose chains are gone.
func (g *Graph) bury(p *pod) {
	switch {
	case p.ns == g.outside && len(p.stands) == 0:
		delete(g.standIns, p.claimed.Addrs[0])
	case p.ns != g.outside && !p.ns.pods[p]:
		delete(g.pods, p.claimed.Key)
	}
}

// redirect moves what is dispatched to a chain. An address that another pod took over meanwhile is left to
// that pod.
func (g *Graph) redirect(id ruleset.ChainID, old, now []ruleset.Subject) {
	for _, s := range old {
		if g.dispatch.now[s] == id && !slices.Contains(now, s) {
			g.dispatch.delete(s)
		}
	}
	for _, s := range now {
		g.dispatch.set(s, id)
	}
}
