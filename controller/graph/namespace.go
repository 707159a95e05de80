package graph

import (
	"github.com/picket-project/picket/ruleset/policy"
)

// namespace is a namespace that is known or was mentioned by a pod or a policy.
type namespace struct {
	policy.Namespace
	pods     map[*pod]bool
	local    map[*pod]bool // those of this node
	policies map[policy.Key]*held
	groups   map[string]*group // of its pods, by their labels
	places   places            // of these
}

// held is a policy; lingering after its deletion while its namespace terminates.
type held struct {
	*policy.Policy                // with the tunnels of nodes
	stated         *policy.Policy // as its object says
	lingering      bool
}

// namespace returns the state of a namespace, an implied one where it was not heard of before.
func (g *Graph) namespace(name string) *namespace {
	ns, known := g.namespaces[name]
	if !known {
		ns = newNamespace(name)
		g.namespaces[name] = ns
		g.file(ns, true)
	}
	return ns
}

func newNamespace(name string) *namespace {
	return &namespace{
		Namespace: policy.ImpliedNamespace(name),
		pods:      map[*pod]bool{}, local: map[*pod]bool{}, policies: map[policy.Key]*held{},
		groups: map[string]*group{}, places: newPlaces(),
	}
}

// file puts a namespace under its labels, or takes it away.
func (g *Graph) file(ns *namespace, in bool) {
	for key, value := range ns.Labels {
		fileUnder(g.labelled, label{key, value}, ns, in)
		fileUnder(g.keyed, key, ns, in)
	}
}

func fileUnder[K comparable](lists map[K]map[*namespace]bool, key K, ns *namespace, in bool) {
	if lists[key] == nil {
		lists[key] = map[*namespace]bool{}
	}
	lists[key][ns] = true
	if !in {
		delete(lists[key], ns)
	}
	if len(lists[key]) == 0 {
		delete(lists, key)
	}
}

func (g *Graph) setNamespace(n policy.Namespace, exists bool) {
	ns := g.namespace(n.Name)
	g.file(ns, false)
	g.count(nil, ns.Namespace, -len(ns.pods))
	ns.Namespace = n
	g.count(nil, ns.Namespace, len(ns.pods))
	g.file(ns, true)
	if !g.lingers(ns) {
		g.dropLingering(ns)
	}
	for _, x := range ns.groups {
		g.rematch(x)
	}
	if !exists {
		g.forget(ns)
	}
}

// deleteNamespace: pods and policies of it that are still known are in an implied namespace from now on.
func (g *Graph) deleteNamespace(name string) {
	if _, known := g.namespaces[name]; known {
		g.setNamespace(policy.ImpliedNamespace(name), false)
	}
}

// forget drops a namespace that says no more than its absence would.
func (g *Graph) forget(ns *namespace) {
	if g.namespaces[ns.Name] == ns && len(ns.pods) == 0 && len(ns.policies) == 0 && ns.Equal(policy.ImpliedNamespace(ns.Name)) {
		delete(g.namespaces, ns.Name)
		g.file(ns, false)
	}
}

func (g *Graph) setPolicy(p *policy.Policy) {
	ns := g.namespace(p.Namespace)
	g.touchSubjects(ns, ns.policies[p.Key])
	if old := ns.policies[p.Key]; old == nil {
		g.policies++
	} else {
		g.drafts.Forget(old.Policy)
	}
	ns.policies[p.Key] = &held{Policy: p.WithTunnels(g.tunnels), stated: p}
	g.touchSubjects(ns, ns.policies[p.Key])
}

// deletePolicy: in a namespace that terminates the policies may go before the pods; they go on isolating
// until the last pod is gone (CVE-2024-7598), and what it leaves behind.
func (g *Graph) deletePolicy(key policy.Key) {
	ns := g.namespace(key.Namespace)
	p, exists := ns.policies[key]
	if exists && g.lingers(ns) {
		p.lingering = true
		return
	}
	g.dropPolicy(ns, key)
	g.forget(ns)
}

func (g *Graph) dropPolicy(ns *namespace, key policy.Key) {
	p, exists := ns.policies[key]
	if exists {
		g.policies--
		g.drafts.Forget(p.Policy)
	}
	delete(ns.policies, key)
	g.touchSubjects(ns, p)
}

func (g *Graph) dropLingering(ns *namespace) {
	for key, p := range ns.policies {
		if p.lingering {
			g.dropPolicy(ns, key)
		}
	}
}

// lingers reports whether policies that are deleted stay in force: while pods are there and the namespace terminates, and
// where it is gone, while there are addresses that its pods had.
func (g *Graph) lingers(ns *namespace) bool {
	departed := false
	for _, p := range g.departed {
		departed = departed || p.Namespace == ns.Name
	}
	return departed && ns.Unheard || ns.Terminating && (departed || len(ns.pods) > 0)
}

// vacate lets go of what a namespace holds for pods that are gone.
func (g *Graph) vacate(ns *namespace) {
	if !g.lingers(ns) {
		g.dropLingering(ns)
	}
	g.forget(ns)
}

// touchSubjects marks the pods of this node that a policy selects, and what stands for some of them.
func (g *Graph) touchSubjects(ns *namespace, p *held) {
	if p == nil {
		return
	}
	for local := range ns.local {
		if p.Subjects.Matches(*local.claimed, ns.Namespace) {
			g.dirty[local] = true
		}
	}
	for _, stand := range g.standIns {
		g.dirty[stand] = true
	}
}
