package graph

import (
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// isolation is what isolates or audits a pod in one direction, and what it uses.
type isolation struct {
	as       policy.Pod      // the pod, with the addresses at which it is isolated
	by       policy.Deciders // sorted
	group    *policyGroup    // nil: free
	sources  []*set
	shared   []ruleset.ChainID // that its chain leads to
	subjects []ruleset.Subject // that are dispatched to its chain
}

// resolve assembles the chains of all pods that are dirty.
func (g *Graph) resolve() {
	g.doPending()
	g.cache.Reset()
	for p := range g.dirty {
		if p.localPod == nil {
			p.localPod = &localPod{}
		}
		for _, d := range ruleset.Directions {
			g.updatePolicyGroup(p, d)
		}
	}
	g.applyBudgets()
	for p := range g.dirty {
		for _, d := range ruleset.Directions {
			g.assemble(p, d)
		}
	}
	g.assembleRegrouped()
	for p := range g.dirty {
		g.dropIfGone(p)
	}
	g.dirty = emptied(g.dirty)
}

// assemble updates the chain of a pod in one direction, the sets and chains that it
// uses, and what is dispatched to it. It takes the new ones before it releases the old
// ones, so that what is used before and after stays as it is.
func (g *Graph) assemble(p *pod, d ruleset.Direction) {
	old := p.isolations[d]
	now := isolation{as: old.as, by: old.by, group: old.group}
	id := ruleset.NewChainID(d, p.claimed.Namespace, p.claimed.Name)
	if now.group != nil {
		compiled := g.compile(now)
		now.group.shares = len(compiled.Shared) > 0
		for _, source := range compiled.Sources {
			now.sources = append(now.sources, g.useSet(source))
		}
		for _, shared := range compiled.Shared {
			now.shared = append(now.shared, shared.ID)
			g.share(shared)
		}
		for _, a := range now.as.Addrs {
			now.subjects = append(now.subjects, ruleset.Subject{Direction: d, Addr: a})
		}
		g.chains.set(id, compiled.Chain)
	} else {
		g.chains.delete(id)
	}
	for _, s := range old.sources {
		g.releaseSet(s)
	}
	for _, id := range old.shared {
		g.unshare(id)
	}
	g.setDispatch(id, old.subjects, now.subjects)
	p.isolations[d] = now
}

// compile makes the isolation of a subject by the policies of its group.
func (g *Graph) compile(x isolation) compile.Isolation {
	template := g.cache.Template(x.subject(), g.form)
	if x.group.refused {
		return template.DenyAll(x.as, g.form)
	}
	return template.Isolation(x.as, g.form, x.group.compiled)
}

// subject returns the isolated pod for the compiler.
func (x *isolation) subject() compile.Subject {
	return compile.Subject{
		Pod: x.as, GroupKey: x.group.key, Direction: x.group.direction, Deciders: x.by,
	}
}

// share adds a user of a chain that several chains may lead to. The ID of a chain of
// peers says all that is in it; one that looks ports up can have changed.
func (g *Graph) share(c ruleset.Chain) {
	if g.shared[c.ID]++; g.shared[c.ID] == 1 || c.LooksUp() {
		g.chains.set(c.ID, c)
	}
}

// unshare takes a user away, and deletes the chain with its last user.
func (g *Graph) unshare(id ruleset.ChainID) {
	if g.shared[id]--; g.shared[id] == 0 {
		delete(g.shared, id)
		g.chains.delete(id)
	}
}

// deciding returns the policies that decide about a pod of this node in a direction, sorted.
func (g *Graph) deciding(p policy.Pod, d ruleset.Direction) policy.Deciders {
	ns, known := g.namespaces[p.Namespace]
	if !known {
		return policy.Deciders{}
	}
	all := func(yield func(*policy.Policy) bool) {
		for _, one := range ns.policies {
			if !yield(one.Policy) {
				return
			}
		}
	}
	by := policy.Deciding(all, p, ns.Namespace, d)
	slices.SortFunc(by.Policies, func(a, b *policy.Policy) int { return a.Key.Compare(b.Key) })
	return by
}

// subjectOf returns the subject that a pod or stand-in is in a direction, and the policies
// that decide about it.
func (g *Graph) subjectOf(p *pod, d ruleset.Direction) (as policy.Pod, by policy.Deciders) {
	if len(p.standsFor) > 0 {
		deciding := func(one policy.Pod) policy.Deciders { return g.deciding(one, d) }
		return policy.StandIn(p.claimed.Addrs[0], p.standsFor, deciding)
	}
	if len(p.subject.Addrs) == 0 {
		return p.subject, policy.Deciders{}
	}
	return p.subject, g.deciding(p.subject, d)
}

// dropIfGone drops a pod, or a stand-in, that is gone and whose chains are gone now,
// too.
func (g *Graph) dropIfGone(p *pod) {
	switch {
	case p.ns == g.standInNamespace && len(p.standsFor) == 0:
		delete(g.standIns, p.claimed.Addrs[0])
	case p.ns != g.standInNamespace && !p.ns.pods[p]:
		delete(g.pods, p.claimed.Key)
	}
}

// setDispatch replaces what is dispatched to a chain. An address that another pod took
// over meanwhile is left to that pod.
func (g *Graph) setDispatch(id ruleset.ChainID, old, now []ruleset.Subject) {
	for _, s := range old {
		if g.dispatch.now[s] == id && !slices.Contains(now, s) {
			g.dispatch.delete(s)
		}
	}
	for _, s := range now {
		g.dispatch.set(s, id)
	}
}
