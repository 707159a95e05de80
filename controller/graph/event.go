package graph

import (
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

// LinksSet says behind which interfaces of this node its pods sit.
type LinksSet struct{ Links []ruleset.Link }

func (e PodSet) apply(g *Graph)        { g.setPod(e.Pod) }
func (e PodGone) apply(g *Graph)       { g.deletePod(e.Key) }
func (e NamespaceSet) apply(g *Graph)  { g.setNamespace(e.Namespace, true) }
func (e NamespaceGone) apply(g *Graph) { g.deleteNamespace(e.Name) }
func (e NodeSet) apply(g *Graph)       { g.setNode(e.Node) }
func (e NodeGone) apply(g *Graph)      { g.setNode(policy.Node{Name: e.Name}) }
func (e PolicySet) apply(g *Graph)     { g.setPolicy(e.Policy) }
func (e PolicyGone) apply(g *Graph)    { g.deletePolicy(e.Key) }
func (e LinksSet) apply(g *Graph)      { g.setLinks(e.Links) }
