package graph

import (
	"cmp"
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// resolve assembles the chains of the pods that were touched.
func (g *Graph) resolve() {
	var drafts policy.Drafts
	for p := range g.dirty {
		for _, d := range ruleset.Directions {
			g.assemble(p, d, &drafts)
		}
		g.know(p)
		if !p.ns.pods[p] {
			delete(g.pods, p.claimed.Key)
		}
	}
	g.dirty = emptied(g.dirty)
}

// assemble brings one chain, what it speaks of and what is dispatched to it up to date.
func (g *Graph) assemble(p *pod, d ruleset.Direction, drafts *policy.Drafts) {
	var now judged
	id := ruleset.NewChainID(d, p.claimed.Namespace, p.claimed.Name)
	if isolating := g.isolating(p, d); len(isolating) > 0 {
		judgement := drafts.Judgement(p.held, d, isolating, g.form)
		for _, source := range judgement.Sources {
			now.sources = append(now.sources, g.acquire(source))
		}
		for _, peers := range judgement.Peers {
			now.shared = append(now.shared, peers.ID)
			g.share(peers)
		}
		for _, a := range p.held.Addrs {
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

// judged is what a pod's judgement in one direction takes part in.
type judged struct {
	sources  []*set
	shared   []ruleset.ChainID // that its ports lead to
	subjects []ruleset.Subject
}

// share takes one more user of a chain that many may lead to into account, unshare one less.
func (g *Graph) share(c ruleset.Chain) {
	if g.shared[c.ID]++; g.shared[c.ID] == 1 {
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
func (g *Graph) isolating(p *pod, d ruleset.Direction) []*policy.Policy {
	var isolating []*policy.Policy
	if !p.ns.local[p] || len(p.held.Addrs) == 0 {
		return nil
	}
	for _, policy := range p.ns.policies {
		if policy.Selects(p.held, p.ns.Namespace, d) {
			isolating = append(isolating, policy.Policy)
		}
	}
	slices.SortFunc(isolating, func(a, b *policy.Policy) int { return a.Key.Compare(b.Key) })
	return isolating
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

// Program returns everything that the kernel of this node should hold.
func (g *Graph) Program() *ruleset.Program {
	g.resolve()
	p := &ruleset.Program{
		Strict: g.strict,
		Node:   slices.Clone(g.nodes[g.node].Addrs),
		Links:  slices.Collect(maps.Keys(g.links.now)),
		Chains: slices.Collect(maps.Values(g.chains.now)),
	}
	for _, s := range g.sets {
		if s.users > 0 {
			p.Sets = append(p.Sets, s.value())
		}
	}
	p.Sets = append(p.Sets, g.strictSets()...)
	for s, chain := range g.dispatch.now {
		p.Dispatch = append(p.Dispatch, ruleset.Dispatch{Direction: s.Direction, Addr: s.Addr, Chain: chain})
	}
	p.Sort()
	return p
}

// value returns the set with its members as they are now.
func (s *set) value() ruleset.Set {
	members := s.source.Fixed()
	for _, sel := range s.selectors {
		members = slices.Grow(members, len(sel.pods))
		for p := range sel.pods {
			members = append(members, s.source.Members(p.held)...)
		}
	}
	slices.SortFunc(members, ruleset.Member.Compare)
	members = slices.Compact(members) // of pods that several selectors choose
	return ruleset.Set{ID: s.source.ID, Comment: s.source.Comment, Members: members}
}

// Changes returns what changed in the wanted program since Changes was last called.
func (g *Graph) Changes() ruleset.Delta {
	g.resolve()
	var d ruleset.Delta
	g.links.drain(func(link string, was, is *bool) {
		d.DelLinks = appendIf(d.DelLinks, was != nil && is == nil, link)
		d.AddLinks = appendIf(d.AddLinks, was == nil && is != nil, link)
	})
	g.dispatch.drain(func(s ruleset.Subject, was, is *ruleset.ChainID) { redispatch(&d, s, was, is) })
	g.chains.drain(func(id ruleset.ChainID, was, is *ruleset.Chain) { rechain(&d, id, was, is) })
	for s := range g.stale {
		g.reset(&d, s)
	}
	g.stale = emptied(g.stale)
	g.strictChanges(&d)
	sortDelta(&d)
	return d
}

func redispatch(d *ruleset.Delta, s ruleset.Subject, was, is *ruleset.ChainID) {
	if was != nil && is != nil && *was == *is {
		return
	}
	if was != nil {
		d.DelDispatch = append(d.DelDispatch, ruleset.Dispatch{Direction: s.Direction, Addr: s.Addr, Chain: *was})
	}
	if is != nil {
		d.AddDispatch = append(d.AddDispatch, ruleset.Dispatch{Direction: s.Direction, Addr: s.Addr, Chain: *is})
	}
}

func rechain(d *ruleset.Delta, id ruleset.ChainID, was, is *ruleset.Chain) {
	switch {
	case is == nil:
		d.DelChains = append(d.DelChains, id)
	case was == nil || !was.Equal(*is):
		d.PutChains = append(d.PutChains, ruleset.PutChain{Chain: *is, New: was == nil})
	}
}

// reset says what becomes of a set that was touched.
func (g *Graph) reset(d *ruleset.Delta, s *set) {
	switch {
	case s.users == 0:
		g.drop(s)
		d.DelSets = appendIf(d.DelSets, s.sent, s.source.ID)
		if s.sent && s.source.ID.Kind == ruleset.PortMap { // what leads to chains goes before these do
			d.DelMembers = append(d.DelMembers, ruleset.Members{Set: s.source.ID, Members: s.handedOut()})
		}
	case !s.sent:
		s.sent = true
		d.AddSets = append(d.AddSets, s.value())
	default:
		del, add := s.moved()
		d.DelMembers = appendIf(d.DelMembers, len(del) > 0, ruleset.Members{Set: s.source.ID, Members: del})
		d.AddMembers = appendIf(d.AddMembers, len(add) > 0, ruleset.Members{Set: s.source.ID, Members: add})
	}
	s.pending = emptied(s.pending)
}

// handedOut returns the members of a set that does not depend on pods as they were handed out.
func (s *set) handedOut() []ruleset.Member {
	held := map[ruleset.Member]bool{}
	for _, m := range s.source.Fixed() {
		held[m] = true
	}
	for m, sum := range s.pending {
		if sum > 0 {
			delete(held, m)
		} else if sum < 0 {
			held[m] = true
		}
	}
	return slices.SortedFunc(maps.Keys(held), ruleset.Member.Compare)
}

// moved returns the members that went and came since the set was handed out.
func (s *set) moved() (del, add []ruleset.Member) {
	for m, sum := range s.pending {
		del = appendIf(del, sum < 0, m)
		add = appendIf(add, sum > 0, m)
	}
	slices.SortFunc(del, ruleset.Member.Compare)
	slices.SortFunc(add, ruleset.Member.Compare)
	return del, add
}

func sortDelta(d *ruleset.Delta) {
	slices.Sort(d.DelLinks)
	slices.Sort(d.AddLinks)
	slices.Sort(d.DelChains)
	slices.SortFunc(d.DelDispatch, ruleset.Dispatch.Compare)
	slices.SortFunc(d.AddDispatch, ruleset.Dispatch.Compare)
	slices.SortFunc(d.DelSets, ruleset.SetID.Compare)
	slices.SortFunc(d.AddSets, func(a, b ruleset.Set) int { return a.ID.Compare(b.ID) })
	slices.SortFunc(d.PutChains, func(a, b ruleset.PutChain) int { return cmp.Compare(a.ID, b.ID) })
	for _, members := range [][]ruleset.Members{d.DelMembers, d.AddMembers} {
		slices.SortFunc(members, func(a, b ruleset.Members) int { return a.Set.Compare(b.Set) })
	}
}

func appendIf[T any](list []T, condition bool, item T) []T {
	if condition {
		return append(list, item)
	}
	return list
}
