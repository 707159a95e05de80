package policy

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
)

// Compile says what the kernel of the snapshot's node should hold: chains for its own pods that policies
// isolate, and the sets that those chains speak of. It works by plain loops over everything; the problems
// are those of all policies, and of those for which there is no room on this node.
func Compile(s Snapshot) (*ruleset.Program, []Problem) {
	c := compilation{snapshot: s, namespaces: map[string]Namespace{}, subjects: map[string][]Subject{}, sources: map[ruleset.SetID]SetSource{}, shared: map[ruleset.ChainID]ruleset.Chain{}}
	for _, ns := range s.Namespaces {
		c.namespaces[ns.Name] = ns
	}
	c.policies = slices.SortedFunc(slices.Values(s.Policies), func(a, b *Policy) int { return a.Key.Compare(b.Key) })
	c.pods = settle(s.Pods, s.Nodes)
	c.fixed()
	for _, n := range s.Nodes {
		if n.Name == s.Node {
			c.program.Node = slices.Clone(n.Addrs)
		}
	}
	for _, p := range c.pods {
		c.pod(p)
	}
	c.isolateAll()
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
	subjects   map[string][]Subject // that are judged alike
	sources    map[ruleset.SetID]SetSource
	shared     map[ruleset.ChainID]ruleset.Chain
	program    ruleset.Program
	excess     []Problem
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
			alike := p.Alike(d, isolating)
			c.subjects[alike] = append(c.subjects[alike], Subject{p, alike, d, isolating})
		}
	}
}

// isolateAll takes in what judges pods, as far as there is room.
func (c *compilation) isolateAll() {
	form := Form{c.snapshot.Denial, c.snapshot.Readable, c.snapshot.Budgets, c.reach()}
	drafts := map[string]*Draft{}
	var claims []Claim
	for alike, subjects := range c.subjects {
		drafts[alike] = new(Drafts).Draft(subjects[0], form)
		claims = append(claims, drafts[alike].Claim)
	}
	refused := form.Room().Refuse(claims)
	c.excess = form.Room().Excess(claims, refused)
	for alike, subjects := range c.subjects {
		c.isolate(drafts[alike], subjects, refused[alike] != "", form)
	}
}

// reach counts the pods that meet each demand.
func (c *compilation) reach() Reach {
	counts := map[Demand]int{}
	for _, p := range c.pods {
		EachDemand(p.Labels, c.namespace(p.Namespace), func(d Demand) { counts[d]++ })
	}
	return func(d Demand) int { return counts[d] }
}

// isolate takes in what judges pods alike.
func (c *compilation) isolate(draft *Draft, subjects []Subject, refused bool, form Form) {
	var keys []Key
	for _, s := range subjects {
		keys = append(keys, s.Pod.Key)
	}
	for _, s := range subjects {
		judgement := draft.Refused(s.Pod, form)
		if !refused {
			judgement = draft.Judgement(s.Pod, form, func() Crew { return NewCrew(s.Direction, keys) })
		}
		c.take(judgement)
		for _, addr := range s.Pod.Addrs {
			c.program.Dispatch = append(c.program.Dispatch, ruleset.Dispatch{Direction: s.Direction, Addr: addr, Chain: judgement.Chain.ID})
		}
	}
}

func (c *compilation) take(j Judgement) {
	c.program.Chains = append(c.program.Chains, j.Chain)
	for _, shared := range j.Shared {
		c.shared[shared.ID] = shared
	}
	for _, source := range j.Sources {
		c.sources[source.ID] = source
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

// fixed fills the fixed sets.
func (c *compilation) fixed() {
	for _, l := range c.snapshot.Links {
		c.program.Links = append(c.program.Links, l.Name)
	}
	var nodes []netip.Addr
	for _, n := range c.snapshot.Nodes {
		nodes = append(nodes, n.Addrs...)
	}
	c.program.Sets = slices.Concat(c.program.Sets, ruleset.LinkSets(c.snapshot.Links),
		ruleset.NodeSets(nodes), ruleset.TunnelSets(c.snapshot.Tunnels))
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
	return append(problems, c.excess...)
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
