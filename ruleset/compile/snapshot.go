package compile

import (
	"net/netip"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Snapshot is the cluster at one moment, as one node sees it.
type Snapshot struct {
	Node        string           // the node to compile for
	Links       []ruleset.Link   // its interfaces that pods sit behind
	Denial      ruleset.Denial   // what happens to a denied packet
	Readable    int              // see Form
	Budgets     Budgets          // see Form
	Strict      bool             // pods of the node that are not known yet are denied
	Anywhere    bool             // addresses of pods can come from outside of all nodes' ranges
	Own         []netip.Addr     // the node's own addresses as its kernel says; nil: those of its Node object
	TunnelPorts []ruleset.Tunnel // where it unpacks what tunnels carry
	Found       []netip.Prefix   // ranges of pods that were found on the node; they count for Strict, see Unknown
	Behind      []netip.Addr     // addresses that its kernel reaches by an interface of its pods
	Departed    []policy.Pod     // subjects of this node that are gone, but not their addresses: each has one of these
	Nodes       []policy.Node
	Namespaces  []policy.Namespace
	Pods        []policy.Pod
	Policies    []*policy.Policy
}

// SnapshotOf converts API objects, as seen from one node.
func SnapshotOf(o policy.Objects, node string) Snapshot {
	s := Snapshot{Node: node}
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
