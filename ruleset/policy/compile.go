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
	c := compilation{
		snapshot: s, addresses: newAddresses(s), namespaces: map[string]Namespace{}, subjects: map[string][]subject{},
		sources: map[ruleset.SetID]SetSource{}, shared: map[ruleset.ChainID]ruleset.Chain{},
	}
	for _, ns := range s.Namespaces {
		c.namespaces[ns.Name] = ns
	}
	tunnels := Tunnels(s.Nodes, c.addresses.ranges, c.addresses.isPods)
	for _, p := range s.Policies {
		c.policies = append(c.policies, p.WithTunnels(tunnels))
	}
	slices.SortFunc(c.policies, func(a, b *Policy) int { return a.Key.Compare(b.Key) })
	c.pods = c.addresses.peers()
	c.program.Links = slices.Clone(s.Links)
	c.program.Node = slices.Collect(maps.Keys(c.addresses.own))
	for _, d := range ruleset.Directions {
		c.isolated(d)
	}
	for alike, subjects := range c.subjects {
		c.isolate(alike, subjects)
	}
	c.program.Chains = slices.AppendSeq(c.program.Chains, maps.Values(c.shared))
	c.sets()
	c.strict()
	c.program.Sort()
	return &c.program, c.problems()
}

type compilation struct {
	snapshot   Snapshot
	addresses  *addresses
	namespaces map[string]Namespace
	policies   []*Policy
	pods       []Pod
	subjects   map[string][]subject // that are judged alike
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

// isolated finds the subjects of policies in one direction.
func (c *compilation) isolated(d ruleset.Direction) {
	isolating := func(p Pod) []*Policy {
		return slices.DeleteFunc(slices.Clone(c.policies), func(policy *Policy) bool {
			return !policy.Selects(p, c.namespace(p.Namespace), d)
		})
	}
	for _, p := range c.addresses.plain() {
		if policies := isolating(p); len(policies) > 0 {
			c.subject(subject{p, d, policies})
		}
	}
	for a, pods := range c.addresses.disputed() {
		if stand, policies, isolated := StandIn(a, pods, isolating); isolated {
			c.subject(subject{stand, d, policies})
		}
	}
}

func (c *compilation) subject(s subject) {
	alike := s.pod.Alike(s.direction, s.policies)
	c.subjects[alike] = append(c.subjects[alike], s)
}

// subject is a pod in a direction in which policies isolate it.
type subject struct {
	pod       Pod
	direction ruleset.Direction
	policies  []*Policy
}

// isolate takes in what judges pods alike.
func (c *compilation) isolate(alike string, subjects []subject) {
	var keys []Key
	for _, s := range subjects {
		keys = append(keys, s.pod.Key)
	}
	var drafts Drafts
	for _, s := range subjects {
		crew := func() Crew { return NewCrew(s.direction, keys) }
		judgement := drafts.Judgement(s.pod, alike, s.direction, s.policies, Form{c.snapshot.Denial, c.snapshot.Readable}, crew)
		c.take(judgement)
		for _, addr := range s.pod.Addrs {
			c.program.Dispatch = append(c.program.Dispatch, ruleset.Dispatch{Direction: s.direction, Addr: addr, Chain: judgement.Chain.ID})
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

// strict adds the sets that a strict program tells known pods by.
func (c *compilation) strict() {
	if c.program.Strict = c.snapshot.Strict; !c.program.Strict {
		return
	}
	ranges := Unknown(c.addresses.ranges.Of(c.snapshot.Node), c.snapshot.Found)
	addrs := c.addresses.known()
	slices.SortFunc(addrs, netip.Addr.Compare)
	c.program.Sets = append(c.program.Sets, ruleset.StrictSets(ranges, addrs)...)
}

func (c *compilation) problems() []Problem {
	var problems []Problem
	for _, policy := range c.policies {
		problems = append(problems, policy.Problems...)
	}
	return problems
}
