package policy

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Compile says what the kernel of the snapshot's node should hold: chains for its own pods that policies
// isolate, and the sets that those chains speak of. It works by plain loops over everything; the problems
// are those of all policies.
func Compile(s Snapshot) (*ruleset.Program, []Problem) {
	c := compilation{snapshot: s, namespaces: map[string]Namespace{}, sources: map[ruleset.SetID]SetSource{}, shared: map[ruleset.ChainID]ruleset.Chain{}}
	for _, ns := range s.Namespaces {
		c.namespaces[ns.Name] = ns
	}
	c.policies = slices.SortedFunc(slices.Values(s.Policies), func(a, b *Policy) int { return a.Key.Compare(b.Key) })
	c.pods = settle(s.Pods, s.Nodes)
	c.program.Links = slices.Clone(s.Links)
	for _, n := range s.Nodes {
		if n.Name == s.Node {
			c.program.Node = slices.Clone(n.Addrs)
		}
	}
	for _, p := range c.pods {
		c.pod(p)
	}
	c.program.Chains = slices.AppendSeq(c.program.Chains, maps.Values(c.shared))
	c.sets()
	c.strict()
	c.program.Sort()
	return &c.program, c.problems()
}

type compilation struct {
	snapshot   Snapshot
	namespaces map[string]Namespace
	policies   []*Policy
	pods       []Pod
	sources    map[ruleset.SetID]SetSource
	shared     map[ruleset.ChainID]ruleset.Chain
	program    ruleset.Program
}

func (c *compilation) namespace(name string) Namespace {
	if ns, known := c.namespaces[name]; known {
		return ns
	}
	return ImpliedNamespace(name)
}

func (c *compilation) pod(p Pod) {
	if p.Node != c.snapshot.Node || len(p.Addrs) == 0 {
		return
	}
	for _, d := range ruleset.Directions {
		var isolating []*Policy
		for _, policy := range c.policies {
			if policy.Selects(p, c.namespace(p.Namespace), d) {
				isolating = append(isolating, policy)
			}
		}
		if len(isolating) > 0 {
			c.isolate(p, d, isolating)
		}
	}
}

func (c *compilation) isolate(p Pod, d ruleset.Direction, policies []*Policy) {
	judgement := p.Judgement(d, policies, Form{c.snapshot.Denial, c.snapshot.Readable})
	chain := judgement.Chain
	c.program.Chains = append(c.program.Chains, chain)
	for _, peers := range judgement.Peers {
		c.shared[peers.ID] = peers
	}
	for _, source := range judgement.Sources {
		c.sources[source.ID] = source
	}
	for _, addr := range p.Addrs {
		c.program.Dispatch = append(c.program.Dispatch, ruleset.Dispatch{Direction: d, Addr: addr, Chain: chain.ID})
	}
}

func (c *compilation) sets() {
	for id, source := range c.sources {
		set := ruleset.Set{ID: id, Comment: source.Comment, Members: source.Fixed()}
		for _, p := range c.pods {
			if source.Matches(p, c.namespace(p.Namespace)) {
				set.Members = append(set.Members, source.Members(p)...)
			}
		}
		slices.SortFunc(set.Members, ruleset.Member.Compare)
		c.program.Sets = append(c.program.Sets, set)
	}
}

// strict adds the sets that a strict program tells known pods by.
func (c *compilation) strict() {
	if c.program.Strict = c.snapshot.Strict; !c.program.Strict {
		return
	}
	var ranges []netip.Prefix
	var addrs []netip.Addr
	for _, n := range c.snapshot.Nodes {
		if n.Name == c.snapshot.Node {
			ranges = slices.Clone(n.CIDRs)
		}
	}
	for _, p := range c.pods {
		if p.Node == c.snapshot.Node {
			addrs = append(addrs, p.Addrs...)
		}
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	slices.SortFunc(ranges, netip.Prefix.Compare)
	c.program.Sets = append(c.program.Sets, ruleset.StrictSets(ranges, addrs)...)
}

func (c *compilation) problems() []Problem {
	var problems []Problem
	for _, policy := range c.policies {
		problems = append(problems, policy.Problems...)
	}
	return problems
}

// settle returns the pods with the addresses that are really theirs: not a node's, and where several pods
// claim one, the one that outranks the others has it.
func settle(pods []Pod, nodes []Node) []Pod {
	holder := map[netip.Addr]Pod{}
	for _, p := range pods {
		for _, a := range p.Addrs {
			if other, taken := holder[a]; !taken || p.Outranks(other) {
				holder[a] = p
			}
		}
	}
	for _, n := range nodes {
		for _, a := range n.Addrs {
			delete(holder, a)
		}
	}
	return slices.Collect(func(yield func(Pod) bool) {
		for _, p := range pods {
			own := p.Holding(func(a netip.Addr) bool { return holder[a].Key == p.Key })
			if !yield(own) {
				return
			}
		}
	})
}
