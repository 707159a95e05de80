package graph

import (
	"net/netip"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Event is one thing that became true. The kinds are those below.
type Event interface{ apply(*Graph) }

// PodSet says that a pod is there, new or changed.
type PodSet struct{ Pod policy.Pod }

// PodGone says that a pod is deleted or does not count any more.
type PodGone struct{ Key policy.Key }

// NamespaceSet says that a namespace is there, new or changed.
type NamespaceSet struct{ Namespace policy.Namespace }

// NamespaceAsked says what a namespace was when a server was asked for it, which can be older or
// newer than what NamespaceSet has said.
type NamespaceAsked struct{ Namespace policy.Namespace }

// NamespaceGone says that a namespace is deleted.
type NamespaceGone struct{ Name string }

// NodeSet says that a node is there, new or changed.
type NodeSet struct{ Node policy.Node }

// NodeGone says that a node is deleted.
type NodeGone struct{ Name string }

// PolicySet says that a policy is there, new or changed.
type PolicySet struct{ Policy *policy.Policy }

// PolicyGone says that a policy is deleted.
type PolicyGone struct{ Key policy.Key }

// LinksSet says which interfaces of this node lead to its pods, and to which addresses.
type LinksSet struct{ Links []ruleset.Link }

// TunnelsSet says where this node unpacks tunnelled packets.
type TunnelsSet struct{ Tunnels []ruleset.Tunnel }

// HostSet says what the kernel of this node knows of addresses: the node's own ones,
// and the ranges that it has for pods.
type HostSet struct {
	Own    []netip.Addr // nil: it was not asked, so that the Node object counts
	Ranges []netip.Prefix
}

// BehindSet says which of the addresses in Questions are behind interfaces of pods; the
// others are not.
type BehindSet struct{ Addrs []netip.Addr }

// IsolatedSet says which chains the kernel has for whom, by rules of an earlier process. Subjects
// that no pod is at are taken for departed pods, of which BehindSet tells more.
type IsolatedSet struct {
	Dispatch map[ruleset.Subject]ruleset.ChainID
}

// Each kind of event is one call of the graph.

func (e PodSet) apply(g *Graph)         { g.setPod(e.Pod) }
func (e PodGone) apply(g *Graph)        { g.deletePod(e.Key) }
func (e NamespaceSet) apply(g *Graph)   { g.setNamespace(e.Namespace, true) }
func (e NamespaceAsked) apply(g *Graph) { g.askedNamespace(e.Namespace) }
func (e NamespaceGone) apply(g *Graph)  { g.deleteNamespace(e.Name) }
func (e NodeSet) apply(g *Graph)        { g.setNode(e.Node) }
func (e NodeGone) apply(g *Graph)       { g.deleteNode(e.Name) }
func (e PolicySet) apply(g *Graph)      { g.setPolicy(e.Policy) }
func (e PolicyGone) apply(g *Graph)     { g.deletePolicy(e.Key) }
func (e LinksSet) apply(g *Graph)       { g.setLinks(e.Links) }
func (e TunnelsSet) apply(g *Graph)     { g.setTunnelPorts(e.Tunnels) }
func (e HostSet) apply(g *Graph)        { g.setHost(e.Own, e.Ranges) }
func (e BehindSet) apply(g *Graph)      { g.setBehind(e.Addrs) }
func (e IsolatedSet) apply(g *Graph)    { g.setIsolated(e.Dispatch) }
