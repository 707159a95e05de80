package compile

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Compile says what the kernel of the snapshot's node should hold: chains for its own pods that policies
// isolate, and the sets that those chains speak of. It works by plain loops over everything; the problems
// are those of all policies, and of those for which there is no room on this node.
func Compile(s Snapshot) (*ruleset.Program, []policy.Problem) {
	c := compilation{
		snapshot: s, addresses: newAddresses(s), namespaces: map[string]policy.Namespace{}, subjects: map[string][]Subject{},
		sources: map[ruleset.SetID]SetSource{}, shared: map[ruleset.ChainID]ruleset.Chain{},
	}
	for _, ns := range s.Namespaces {
		c.namespaces[ns.Name] = ns
	}
	tunnels := policy.Tunnels(s.Nodes, c.addresses.ranges, c.addresses.isPods)
	for _, p := range s.Policies {
		c.policies = append(c.policies, p.WithTunnels(tunnels))
	}
	slices.SortFunc(c.policies, func(a, b *policy.Policy) int { return a.Key.Compare(b.Key) })
	c.pods = c.addresses.peers()
	c.fixed()
	c.program.Node = slices.Collect(maps.Keys(c.addresses.own))
	for _, d := range ruleset.Directions {
		c.isolated(d)
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
	addresses  *addresses
	namespaces map[string]policy.Namespace
	policies   []*policy.Policy
	pods       []policy.Pod
	subjects   map[string][]Subject // that are judged alike
	sources    map[ruleset.SetID]SetSource
	shared     map[ruleset.ChainID]ruleset.Chain
	program    ruleset.Program
	excess     []policy.Problem
}

func (c *compilation) namespace(name string) policy.Namespace {
	if ns, known := c.namespaces[name]; known {
		return ns
	}
	return policy.ImpliedNamespace(name)
}

// isolated finds the subjects of policies in one direction.
func (c *compilation) isolated(d ruleset.Direction) {
	isolating := func(p policy.Pod) []*policy.Policy {
		return slices.DeleteFunc(slices.Clone(c.policies), func(one *policy.Policy) bool {
			return !one.Selects(p, c.namespace(p.Namespace), d)
		})
	}
	for _, p := range c.addresses.plain() {
		if policies := isolating(p); len(policies) > 0 {
			c.subject(p, d, policies)
		}
	}
	for a, pods := range c.addresses.disputed() {
		if stand, policies, isolated := policy.StandIn(a, pods, isolating); isolated {
			c.subject(stand, d, policies)
		}
	}
}

func (c *compilation) subject(p policy.Pod, d ruleset.Direction, policies []*policy.Policy) {
	alike := Alike(p, d, policies)
	c.subjects[alike] = append(c.subjects[alike], Subject{p, alike, d, policies})
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
	counts := map[policy.Demand]int{}
	for _, p := range c.pods {
		policy.EachDemand(p.Labels, c.namespace(p.Namespace), func(d policy.Demand) { counts[d]++ })
	}
	return func(d policy.Demand) int { return counts[d] }
}

// isolate takes in what judges pods alike.
func (c *compilation) isolate(draft *Draft, subjects []Subject, refused bool, form Form) {
	var keys []policy.Key
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
		if n.Name == c.snapshot.Node {
			nodes = append(nodes, n.Addrs...)
			continue
		}
		nodes = append(nodes, n.Reached()...)
	}
	c.program.Sets = slices.Concat(c.program.Sets, ruleset.LinkSets(c.snapshot.Links),
		ruleset.NodeSets(nodes), ruleset.TunnelSets(c.snapshot.TunnelPorts))
}

// strict adds the sets that a strict program tells known pods by.
func (c *compilation) strict() {
	if c.program.Strict = c.snapshot.Strict; !c.program.Strict {
		return
	}
	ranges := policy.Unknown(c.addresses.ranges.Of(c.snapshot.Node), c.snapshot.Found)
	addrs := c.addresses.known()
	slices.SortFunc(addrs, netip.Addr.Compare)
	c.program.Sets = append(c.program.Sets, ruleset.StrictSets(ranges, addrs)...)
}

func (c *compilation) problems() []policy.Problem {
	var problems []policy.Problem
	for _, policy := range c.policies {
		problems = append(problems, policy.Problems...)
	}
	return append(problems, c.excess...)
}
