package compile

import (
	"net/netip"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Snapshot is the cluster at one moment, as one node sees it, and how that node wants
// its program.
type Snapshot struct {
	Node string // the node to compile for

	// Options of the program.
	Form       ruleset.Form   // what the backend can hold
	Denial     ruleset.Denial // what happens to a denied packet
	MergeAbove int            // see Form
	Budgets    Budgets        // see Form
	Strict     bool           // deny what pods of this node send and receive until they are known
	Anywhere   bool           // pods can have addresses outside of all nodes' pod ranges

	// What this node's kernel says.
	Own         []netip.Addr     // the node's addresses; nil: those of its Node object
	Links       []ruleset.Link   // interfaces that lead to its pods
	TunnelPorts []ruleset.Tunnel // where it unpacks tunnelled packets
	Found       []netip.Prefix   // its pod ranges; see policy.FillFamilies
	Behind      []netip.Addr     // addresses that it reaches through interfaces of pods

	// What the API says.
	Nodes      []policy.Node
	Namespaces []policy.Namespace
	Pods       []policy.Pod
	Policies   []*policy.Policy
	Departed   []policy.Pod // deleted pods of this node, each with one address that is still in use
}

// SnapshotOf converts API objects to what one node sees of them, with the default
// options, for a backend that can hold everything.
func SnapshotOf(o policy.Objects, node string) Snapshot {
	s := Snapshot{Node: node, Form: ruleset.FullForm()}
	for _, n := range o.Namespaces {
		s.Namespaces = append(s.Namespaces, policy.NewNamespace(n))
	}
	for _, n := range o.Nodes {
		s.Nodes = append(s.Nodes, policy.NewNode(n))
	}
	for _, p := range o.Pods {
		if pod, counts := policy.NewPod(p); counts {
			s.Pods = append(s.Pods, pod)
		}
	}
	for _, p := range o.Policies {
		s.Policies = append(s.Policies, policy.Parse(p))
	}
	return s
}
