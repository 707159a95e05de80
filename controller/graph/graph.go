package graph

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Graph is the state; New makes one.
type Graph struct {
	node       string
	form       policy.Form
	strict     bool
	nodes      map[string]policy.Node
	nodeAddrs  map[netip.Addr]int // how many nodes have it
	namespaces map[string]*namespace
	labelled   map[label]map[*namespace]bool // namespaces by their labels
	pods       map[policy.Key]*pod
	residents  map[*pod]bool         // those of this node
	claims     map[netip.Addr][]*pod // the pods that say they have an address
	local      int                   // events about pods of this node
	policies   int                   // of all namespaces
	index      index
	selectors  map[string]*selector // in use, by their text

	dirty    map[*pod]bool // pods of this node whose chains must be assembled again
	sets     map[ruleset.SetID]*set
	drafts   policy.Drafts
	crews    map[string]*crew            // by what their pods have in common
	moved    map[*crew]ruleset.Direction // those that pods have left or joined
	shared   map[ruleset.ChainID]int     // how many judgements lead to a chain
	stale    map[*set]bool               // sets to look at in Changes
	chains   ledger[ruleset.ChainID, ruleset.Chain]
	dispatch ledger[ruleset.Subject, ruleset.ChainID]
	links    ledger[string, bool]
	ranges   ledger[netip.Prefix, bool] // where addresses of this node's pods come from
	known    ledger[netip.Addr, bool]   // those that its pods have; neither is kept where the program is not strict
}

// New returns the empty graph of one node.
func New(node string, denial ruleset.Denial) *Graph {
	return &Graph{
		node: node, form: policy.Form{Denial: denial},
		nodes:      map[string]policy.Node{},
		nodeAddrs:  map[netip.Addr]int{},
		namespaces: map[string]*namespace{},
		labelled:   map[label]map[*namespace]bool{},
		pods:       map[policy.Key]*pod{},
		residents:  map[*pod]bool{},
		claims:     map[netip.Addr][]*pod{},
		index:      index{},
		selectors:  map[string]*selector{},
		dirty:      map[*pod]bool{},
		sets:       map[ruleset.SetID]*set{},
		crews:      map[string]*crew{},
		moved:      map[*crew]ruleset.Direction{},
		shared:     map[ruleset.ChainID]int{},
		stale:      map[*set]bool{},
		chains:     newLedger[ruleset.ChainID, ruleset.Chain](),
		dispatch:   newLedger[ruleset.Subject, ruleset.ChainID](),
		links:      newLedger[string, bool](),
		ranges:     newLedger[netip.Prefix, bool](),
		known:      newLedger[netip.Addr, bool](),
	}
}

// DenyUnknown lets the graph's programs be strict. It is for a graph that has not seen any event.
func (g *Graph) DenyUnknown() { g.strict = true }

// MergeFrom has chains merged that have more than n rules, instead of 16. It is for a graph that has not seen any
// event.
func (g *Graph) MergeFrom(n int) { g.form.Readable = n }

// Ranges returns where the addresses of this node's pods come from, as far as its object says.
func (g *Graph) Ranges() []netip.Prefix { return g.nodes[g.node].CIDRs }

// Apply takes an event in.
func (g *Graph) Apply(e Event) { e.apply(g) }

// Snapshot returns all that is known, in no particular order. A policy that was deleted from a terminating
// namespace and still isolates is part of it.
func (g *Graph) Snapshot() policy.Snapshot {
	s := policy.Snapshot{Node: g.node, Denial: g.form.Denial, Readable: g.form.Readable, Strict: g.strict, Links: slices.Collect(maps.Keys(g.links.now)), Nodes: slices.Collect(maps.Values(g.nodes))}
	for _, ns := range g.namespaces {
		s.Namespaces = append(s.Namespaces, ns.Namespace)
		for _, p := range ns.policies {
			s.Policies = append(s.Policies, p.Policy)
		}
		for p := range ns.pods {
			s.Pods = append(s.Pods, *p.claimed)
		}
	}
	return s
}

// LocalEvents counts the events that were about pods of this node.
func (g *Graph) LocalEvents() int { return g.local }

// LocalAddrs returns the addresses of this node's pods, sorted.
func (g *Graph) LocalAddrs() []netip.Addr {
	var addrs []netip.Addr
	for p := range g.residents {
		addrs = append(addrs, p.held.Addrs...)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return addrs
}

// Subjects returns the addresses that are dispatched to a chain, or to one that leads there.
func (g *Graph) Subjects(id ruleset.ChainID) []netip.Addr {
	var addrs []netip.Addr
	for s, chain := range g.dispatch.now {
		if chain == id || g.chains.now[chain].Onward == id {
			addrs = append(addrs, s.Addr)
		}
	}
	return addrs
}

// Counts is how much a graph holds.
type Counts struct{ Namespaces, Pods, LocalPods, Policies, Selectors, Sets, Chains, Elements int }

// Counts says how much the graph holds; it costs a look at every namespace and set.
func (g *Graph) Counts() Counts {
	g.resolve()
	c := Counts{Namespaces: len(g.namespaces), Pods: len(g.pods), LocalPods: len(g.residents), Selectors: len(g.selectors), Sets: len(g.sets), Chains: len(g.chains.now)}
	for _, ns := range g.namespaces {
		c.Policies += len(ns.policies)
	}
	for _, s := range g.sets {
		c.Elements += len(s.source.Ranges)
		for _, sel := range s.selectors {
			c.Elements += len(sel.pods)
		}
	}
	return c
}

// setLinks keeps those by which nothing but pods' packets come in: what a pod may not say may come by a shared one from
// others.
func (g *Graph) setLinks(links []ruleset.Link) {
	var names []string
	for _, l := range links {
		names = appendIf(names, !l.Shared, l.Name)
	}
	g.links.replace(names)
}
