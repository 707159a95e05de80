package graph

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// Graph is the state; New makes one.
type Graph struct {
	node       string
	form       compile.Form
	strict     bool
	anywhere   bool // see compile.Snapshot
	keeps      bool // see KeepDeparted
	nodes      map[string]policy.Node
	nodeAddrs  map[netip.Addr]int // how many nodes say that they have it
	reached    map[netip.Addr]int // how many nodes are reached by it
	drawn      map[uint8]string   // see Drawn
	podRanges  policy.Ranges
	tunnels    []policy.Tunnel
	host       host
	due        due
	namespaces map[string]*namespace
	labelled   map[label]map[*namespace]bool  // namespaces by their labels
	keyed      map[string]map[*namespace]bool // and by the keys of these
	pods       map[policy.Key]*pod
	residents  map[*pod]bool         // those of this node
	claims     map[netip.Addr][]*pod // the pods that say they have an address
	loose      map[*pod]bool         // those that claim one outside of their node's ranges
	departed   map[netip.Addr]policy.Pod
	standIns   map[netip.Addr]*pod // who is judged where it is not just one live pod of this node
	outside    *namespace          // which these are in, and which no object can be
	disputed   map[netip.Addr]bool
	disputes   int    // changes of these
	local      int    // events about pods of this node
	policies   int    // of all namespaces
	places     places // of all groups of pods
	index      index
	selectors  map[string]*selector // in use, by their text

	dirty       map[*pod]bool // pods of this node whose chains must be assembled again
	sets        map[ruleset.SetID]*set
	drafts      compile.Drafts
	crews       map[string]*crew            // by what their pods have in common
	moved       map[*crew]ruleset.Direction // those that pods have left or joined
	watched     map[policy.Demand]*watch    // of the policies of crews
	touched     map[*crew]bool              // of which pods or policies have changed
	crowded     map[*crew]bool              // that may need more or less than before
	fewer       bool                        // a crew is gone
	budgets     compile.Budgets             // what there is room for
	excess      []policy.Problem            // of policies for which there is no room
	excessive   bool                        // that is news
	shared      map[ruleset.ChainID]int     // how many judgements lead to a chain
	stale       map[*set]bool               // sets to look at in Changes
	chains      ledger[ruleset.ChainID, ruleset.Chain]
	dispatch    ledger[ruleset.Subject, ruleset.ChainID]
	links       ledger[string, bool]
	fixed       ledger[element, bool]      // members of the fixed sets, which come from:
	linked      []ruleset.Link             // what the host said last
	tunnelPorts []ruleset.Tunnel           // what the host said last
	ranges      ledger[netip.Prefix, bool] // where addresses of this node's pods come from
	known       ledger[netip.Addr, bool]   // those that its pods have; neither is kept where the program is not strict
}

// New returns the empty graph of one node.
func New(node string, denial ruleset.Denial) *Graph {
	g := &Graph{
		node: node, form: compile.Form{Denial: denial},
		nodes:      map[string]policy.Node{},
		nodeAddrs:  map[netip.Addr]int{},
		reached:    map[netip.Addr]int{},
		drawn:      map[uint8]string{},
		namespaces: map[string]*namespace{},
		labelled:   map[label]map[*namespace]bool{},
		keyed:      map[string]map[*namespace]bool{},
		pods:       map[policy.Key]*pod{},
		residents:  map[*pod]bool{},
		claims:     map[netip.Addr][]*pod{},
		places:     newPlaces(),
		loose:      map[*pod]bool{},
		departed:   map[netip.Addr]policy.Pod{},
		standIns:   map[netip.Addr]*pod{},
		outside:    newNamespace(""),
		disputed:   map[netip.Addr]bool{},
		index:      index{},
		selectors:  map[string]*selector{},
		dirty:      map[*pod]bool{},
		sets:       map[ruleset.SetID]*set{},
		crews:      map[string]*crew{},
		moved:      map[*crew]ruleset.Direction{},
		watched:    map[policy.Demand]*watch{},
		touched:    map[*crew]bool{},
		crowded:    map[*crew]bool{},
		budgets:    compile.DefaultBudgets(),
		shared:     map[ruleset.ChainID]int{},
		stale:      map[*set]bool{},
		chains:     newLedger[ruleset.ChainID, ruleset.Chain](),
		dispatch:   newLedger[ruleset.Subject, ruleset.ChainID](),
		links:      newLedger[string, bool](),
		fixed:      newLedger[element, bool](),
		ranges:     newLedger[netip.Prefix, bool](),
		known:      newLedger[netip.Addr, bool](),
	}
	g.form.Reach = g.reach
	return g
}

// DenyUnknown lets the graph's programs be strict. It is for a graph that has not seen any event.
func (g *Graph) DenyUnknown() { g.strict = true }

// MergeFrom has chains merged that have more than n rules, instead of 16. It is for a graph that has not seen any
// event.
func (g *Graph) MergeFrom(n int) { g.form.Readable = n }

// AnyAddress lets addresses of pods come from outside of all nodes' ranges. It is for a graph that has not seen any event.
func (g *Graph) AnyAddress() { g.anywhere = true }

// KeepDeparted has addresses that a pod of this node had judged as that pod until BehindSet says that they are gone, or
// another pod of it has them. It is for a graph that has not seen any event.
func (g *Graph) KeepDeparted() { g.keeps = true }

// Apply takes an event in.
func (g *Graph) Apply(e Event) { e.apply(g) }

// Snapshot returns all that is known, in no particular order. A policy that was deleted from a terminating
// namespace and still isolates is part of it.
func (g *Graph) Snapshot() compile.Snapshot {
	s := compile.Snapshot{
		Node: g.node, Denial: g.form.Denial, Readable: g.form.Readable, Budgets: g.form.Budgets, Strict: g.strict, Anywhere: g.anywhere,
		Links: g.linked, TunnelPorts: g.tunnelPorts, Nodes: g.allNodes(), Found: g.host.ranges,
		Behind: slices.Collect(maps.Keys(g.host.behind)), Departed: slices.Collect(maps.Values(g.departed)),
	}
	if g.host.own != nil {
		s.Own = slices.AppendSeq([]netip.Addr{}, maps.Keys(g.host.own))
	}
	for _, ns := range g.namespaces {
		s.Namespaces = append(s.Namespaces, ns.Namespace)
		for _, p := range ns.policies {
			s.Policies = append(s.Policies, p.stated)
		}
		for p := range ns.pods {
			s.Pods = append(s.Pods, *p.claimed)
		}
	}
	return s
}

// LocalEvents counts the events that were about pods of this node.
func (g *Graph) LocalEvents() int { return g.local }

// LocalAddrs returns the addresses by which pods of this node are judged, sorted.
func (g *Graph) LocalAddrs() []netip.Addr {
	g.catchUp()
	var addrs []netip.Addr
	for p := range g.residents {
		if p.part != nil {
			addrs = append(addrs, p.subject.Addrs...)
		}
	}
	for a, p := range g.standIns {
		if len(p.stands) > 0 {
			addrs = append(addrs, a)
		}
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
			c.Elements += sel.count()
		}
	}
	return c
}
