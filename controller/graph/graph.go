package graph

import (
	"net/netip"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// Graph is what is true of the cluster, and the program that follows from it for one
// node; New makes one.
type Graph struct {
	node         string
	form         compile.Form
	strict       bool // see DenyUnknown
	anywhere     bool // see AnyAddress
	keepDeparted bool // see KeepDeparted

	// Nodes.
	nodes       map[string]policy.Node
	nodeAddrs   map[netip.Addr]int             // how many nodes state an address
	nodeChanges int                            // see NodeChanges
	reached     map[netip.Addr]map[string]bool // the nodes that are reached at an address
	chosen      map[uint8]string               // see ChosenNode
	podRanges   policy.PodRanges
	aliases     []policy.NodeAlias
	host        host
	pending     pending

	// Namespaces, policies and pods.
	namespaces  map[string]*namespace
	withLabel   map[label]map[*namespace]bool
	withKey     map[string]map[*namespace]bool
	policies    int // of all namespaces
	pods        map[policy.Key]*pod
	localPods   map[*pod]bool // those of this node
	localEvents int           // how many events were about these
	byLabel     labelIndex    // of all groups of pods

	// Addresses.
	claims           map[netip.Addr][]*pod // the pods whose objects state an address
	outsideRanges    map[*pod]bool         // the pods that claim one outside of their node's ranges
	departed         map[netip.Addr]policy.Pod
	standIns         map[netip.Addr]*pod // where the subject is not just one live pod of this node
	standInNamespace *namespace          // which no object can be in
	disputed         map[netip.Addr]bool
	disputeChanges   int // how often that changed

	// What isolates the pods of this node.
	dirty        map[*pod]bool // whose chains must be assembled again
	cache        compile.Cache
	policyGroups map[string]*policyGroup // by their keys
	regrouped    map[*policyGroup]bool   // that pods have left or joined
	index        selectorIndex
	selectors    map[string]*selector // in use, by their text
	sets         map[ruleset.SetID]*set
	shared       map[ruleset.ChainID]int // how many chains of pods lead to a chain

	// What policies may need.
	budgets      compile.Budgets
	counters     map[policy.Demand]*podCounter // for the policies of policyGroups
	toMeasure    map[*policyGroup]bool         // that may need more or less than before
	groupGone    bool                          // since the budgets were last applied
	excess       []policy.Problem              // of policies that are beyond a budget
	excessIsNews bool

	// The program.
	chains      trackedMap[ruleset.ChainID, ruleset.Chain]
	dispatch    trackedMap[ruleset.Subject, ruleset.ChainID]
	links       trackedMap[string, bool]
	changedSets map[*set]bool
	fixed       trackedMap[fixedMember, bool] // members of the fixed sets
	hostLinks   []ruleset.Link                // what the host said last
	tunnelPorts []ruleset.Tunnel              // what the host said last

	// Where the program is strict: the pod ranges of this node, and the addresses that
	// its pods have.
	ranges     trackedMap[netip.Prefix, bool]
	knownAddrs trackedMap[netip.Addr, bool]
}

// New returns the empty graph of one node, with a backend that can hold every program.
func New(node string, denial ruleset.Denial) *Graph {
	g := &Graph{
		node: node, form: compile.Form{Form: ruleset.FullForm(), Denial: denial},
		nodes:            map[string]policy.Node{},
		nodeAddrs:        map[netip.Addr]int{},
		reached:          map[netip.Addr]map[string]bool{},
		chosen:           map[uint8]string{},
		namespaces:       map[string]*namespace{},
		withLabel:        map[label]map[*namespace]bool{},
		withKey:          map[string]map[*namespace]bool{},
		pods:             map[policy.Key]*pod{},
		localPods:        map[*pod]bool{},
		byLabel:          newLabelIndex(),
		claims:           map[netip.Addr][]*pod{},
		outsideRanges:    map[*pod]bool{},
		departed:         map[netip.Addr]policy.Pod{},
		standIns:         map[netip.Addr]*pod{},
		standInNamespace: newNamespace(""),
		disputed:         map[netip.Addr]bool{},
		dirty:            map[*pod]bool{},
		policyGroups:     map[string]*policyGroup{},
		regrouped:        map[*policyGroup]bool{},
		index:            selectorIndex{},
		selectors:        map[string]*selector{},
		sets:             map[ruleset.SetID]*set{},
		shared:           map[ruleset.ChainID]int{},
		budgets:          compile.DefaultBudgets(),
		counters:         map[policy.Demand]*podCounter{},
		toMeasure:        map[*policyGroup]bool{},
		chains:           newTrackedMap[ruleset.ChainID, ruleset.Chain](),
		dispatch:         newTrackedMap[ruleset.Subject, ruleset.ChainID](),
		links:            newTrackedMap[string, bool](),
		changedSets:      map[*set]bool{},
		fixed:            newTrackedMap[fixedMember, bool](),
		ranges:           newTrackedMap[netip.Prefix, bool](),
		knownAddrs:       newTrackedMap[netip.Addr, bool](),
	}
	g.form.PodCount = g.podCount
	return g
}

// DenyUnknown makes the graph's programs strict: pods of this node are denied until
// they are known. It is for a graph that has not seen any event.
func (g *Graph) DenyUnknown() { g.strict = true }

// MergeAbove has chains with more than n rules merged, instead of 16. It is for a graph
// that has not seen any event.
func (g *Graph) MergeAbove(n int) { g.form.MergeAbove = n }

// SetForm has programs made for a backend that can hold this. It is for a graph that has not
// seen any event.
func (g *Graph) SetForm(f ruleset.Form) {
	g.form.Form = f
	g.budgets = g.form.Limits()
}

// AnyAddress lets pods have addresses outside of all nodes' pod ranges. It is for a
// graph that has not seen any event.
func (g *Graph) AnyAddress() { g.anywhere = true }

// KeepDeparted keeps the address of a deleted pod of this node isolated as the pod was,
// until BehindSet says that the address is gone or another pod of this node has it. It
// is for a graph that has not seen any event.
func (g *Graph) KeepDeparted() { g.keepDeparted = true }

// Apply takes an event in.
func (g *Graph) Apply(e Event) { e.apply(g) }
