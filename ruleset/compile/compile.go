package compile

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Compile returns the program that the kernel of the snapshot's node should hold:
// chains for the pods of this node that policies isolate or audit, and the sets that
// these chains use. It works by plain loops over everything. The problems are those of all
// policies, whomever they select, and those of policies that are beyond a budget on
// this node.
func Compile(s Snapshot) (*ruleset.Program, []policy.Problem) {
	c := newCompilation(s)
	c.addFixedSets()
	c.program.Node = slices.Collect(maps.Keys(c.addresses.own))
	for _, d := range ruleset.Directions {
		c.findSubjects(d)
	}
	c.isolateAll()
	c.program.Chains = slices.AppendSeq(c.program.Chains, maps.Values(c.shared))
	c.addSets()
	c.addStrictSets()
	c.program.Sort()
	return &c.program, c.problems()
}

// compilation is a program in the making, with what it is made from.
type compilation struct {
	snapshot   Snapshot
	addresses  *addresses
	namespaces map[string]policy.Namespace
	policies   []*policy.Policy     // sorted
	peers      []policy.Pod         // all pods, with the addresses at which they are peers
	subjects   map[string][]Subject // by group
	sources    map[ruleset.SetID]SetSource
	shared     map[ruleset.ChainID]ruleset.Chain
	program    ruleset.Program
	excess     []policy.Problem
}

// newCompilation looks up what the loops need: namespaces by name, policies by key, and
// who is the peer at which address.
func newCompilation(s Snapshot) *compilation {
	c := &compilation{
		snapshot: s, addresses: newAddresses(s), namespaces: map[string]policy.Namespace{},
		subjects: map[string][]Subject{}, sources: map[ruleset.SetID]SetSource{},
		shared: map[ruleset.ChainID]ruleset.Chain{},
	}
	for _, ns := range s.Namespaces {
		c.namespaces[ns.Name] = ns
	}
	aliases := policy.NodeAliases(s.Nodes, c.addresses.ranges, c.addresses.isPods)
	for _, p := range s.Policies {
		c.policies = append(c.policies, p.WithAliases(aliases))
	}
	slices.SortFunc(c.policies, func(a, b *policy.Policy) int { return a.Key.Compare(b.Key) })
	c.peers = c.addresses.peers()
	return c
}

// namespace returns a namespace by its name; one that is no object has no labels but
// the name.
func (c *compilation) namespace(name string) policy.Namespace {
	if ns, known := c.namespaces[name]; known {
		return ns
	}
	return policy.ImpliedNamespace(name)
}

// findSubjects finds the pods of this node, and the stand-ins for several of them at
// one address, that policies isolate or audit in a direction.
func (c *compilation) findSubjects(d ruleset.Direction) {
	deciding := func(p policy.Pod) policy.Deciders {
		return policy.Deciding(slices.Values(c.policies), p, c.namespace(p.Namespace), d)
	}
	for _, p := range c.addresses.soleSubjects() {
		c.addSubject(p, d, deciding(p))
	}
	for a, pods := range c.addresses.standIns() {
		standIn, by := policy.StandIn(a, pods, deciding)
		c.addSubject(standIn, d, by)
	}
}

// addSubject adds a pod, or a stand-in, that is not free to the group of those whose
// chains can share a part.
func (c *compilation) addSubject(p policy.Pod, d ruleset.Direction, by policy.Deciders) {
	if by.Effect != policy.Frees {
		key := GroupKey(p, d, by)
		c.subjects[key] = append(c.subjects[key], Subject{p, key, d, by})
	}
}

// isolateAll adds what isolates the subjects, as far as the budgets allow.
func (c *compilation) isolateAll() {
	form := Form{
		Form: c.snapshot.Form, Denial: c.snapshot.Denial, MergeAbove: c.snapshot.MergeAbove,
		Budgets: c.snapshot.Budgets, PodCount: c.countPods(),
	}
	templates := map[string]*Template{}
	var requests []Request
	for key, subjects := range c.subjects {
		templates[key] = new(Cache).Template(subjects[0], form)
		requests = append(requests, templates[key].OnPods(len(subjects), form.Form))
	}
	refused := form.Limits().Refuse(requests)
	c.excess = form.Limits().Excess(requests, refused)
	for key, subjects := range c.subjects {
		group := groupOf(subjects)
		c.isolate(subjects, func(p policy.Pod) Isolation {
			// What is beyond a budget denies everything; it must not allow it.
			if refused[key] != "" {
				return templates[key].DenyAll(p, form)
			}
			return templates[key].Isolation(p, form, group)
		})
	}
}

// countPods counts the pods that meet each demand.
func (c *compilation) countPods() PodCount {
	counts := map[policy.Demand]int{}
	for _, p := range c.peers {
		ns := c.namespace(p.Namespace)
		policy.EachDemand(p.Labels, ns, func(d policy.Demand) { counts[d]++ })
	}
	return func(d policy.Demand) int { return counts[d] }
}

// groupOf returns a function that makes the group of these subjects.
func groupOf(subjects []Subject) func() Group {
	return func() Group {
		var keys []policy.Key
		for _, s := range subjects {
			keys = append(keys, s.Pod.Key)
		}
		return NewGroup(subjects[0].Direction, subjects[0].Effect, keys)
	}
}

// isolate adds the isolation of each subject of a group, and dispatches its addresses
// to its chain.
func (c *compilation) isolate(subjects []Subject, isolation func(policy.Pod) Isolation) {
	for _, s := range subjects {
		x := isolation(s.Pod)
		c.program.Chains = append(c.program.Chains, x.Chain)
		for _, shared := range x.Shared {
			c.shared[shared.ID] = shared
		}
		for _, source := range x.Sources {
			c.sources[source.ID] = source
		}
		for _, addr := range s.Pod.Addrs {
			dispatch := ruleset.Dispatch{Direction: s.Direction, Addr: addr, Chain: x.Chain.ID}
			c.program.Dispatch = append(c.program.Dispatch, dispatch)
		}
	}
}

// addSets adds the sets that chains use.
func (c *compilation) addSets() {
	for id, source := range c.sources {
		set := ruleset.Set{ID: id, Comment: source.Comment, Members: source.Fixed()}
		for _, p := range c.peers {
			if source.Matches(p, c.namespace(p.Namespace)) {
				set.Members = append(set.Members, source.Members(p)...)
			}
		}
		slices.SortFunc(set.Members, ruleset.Member.Compare)
		c.program.Sets = append(c.program.Sets, set)
	}
}

// addFixedSets adds the sets that every program has: where pods, nodes and the ends of
// tunnels are.
func (c *compilation) addFixedSets() {
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

// addStrictSets adds the sets by which a strict program tells known pods from unknown
// ones.
func (c *compilation) addStrictSets() {
	if c.program.Strict = c.snapshot.Strict; !c.program.Strict {
		return
	}
	ranges := policy.FillFamilies(c.addresses.ranges.Of(c.snapshot.Node), c.snapshot.Found)
	addrs := c.addresses.subjectAddrs()
	slices.SortFunc(addrs, netip.Addr.Compare)
	c.program.Sets = append(c.program.Sets, ruleset.StrictSets(ranges, addrs)...)
}

// problems returns what is wrong with namespaces and policies, and then which policies
// are beyond a budget.
func (c *compilation) problems() []policy.Problem {
	var problems []policy.Problem
	for _, name := range slices.Sorted(maps.Keys(c.namespaces)) {
		problems = append(problems, c.namespaces[name].Problems...)
	}
	for _, one := range c.policies {
		problems = append(problems, one.Problems...)
	}
	return append(problems, c.excess...)
}
