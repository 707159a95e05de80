package graph

import (
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// namespace is a namespace that is known or was mentioned by a pod or a policy.
type namespace struct {
	policy.Namespace
	pods     map[*pod]bool
	local    map[*pod]bool // those of this node
	policies map[policy.Key]*held
	has      map[label]int // how many of its pods have each label
}

// label is one of a pod or namespace.
type label struct{ key, value string }

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
		pods:      map[*pod]bool{}, local: map[*pod]bool{}, policies: map[policy.Key]*held{}, has: map[label]int{},
	}
}

// file puts a namespace under its labels, or takes it away.
func (g *Graph) file(ns *namespace, in bool) {
	for key, value := range ns.Labels {
		l := label{key, value}
		if g.labelled[l] == nil {
			g.labelled[l] = map[*namespace]bool{}
		}
		g.labelled[l][ns] = true
		if !in {
			delete(g.labelled[l], ns)
		}
		if len(g.labelled[l]) == 0 {
			delete(g.labelled, l)
		}
	}
}

// count takes the labels of one of its pods in (1) or out (-1).
func (ns *namespace) count(labels map[string]string, by int) {
	for key, value := range labels {
		l := label{key, value}
		if ns.has[l] += by; ns.has[l] == 0 {
			delete(ns.has, l)
		}
	}
}

// holds reports whether it has a pod with a label that a selector demands; wanted is where that selector lies.
func (ns *namespace) holds(wanted []anchor) bool {
	return slices.ContainsFunc(wanted, func(a anchor) bool { return a.of != podValue || ns.has[label{a.key, a.value}] > 0 })
}

func (g *Graph) setNamespace(n policy.Namespace, exists bool) {
	ns := g.namespace(n.Name)
	g.file(ns, false)
	ns.Namespace = n
	g.file(ns, true)
	if !g.lingers(ns) {
		g.dropLingering(ns)
	}
	for p := range ns.pods {
		g.match(p)
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
