package graph

import (
	"github.com/picket-project/picket/ruleset/policy"
)

// namespace is a namespace that has an object, or that a pod or a policy is in.
type namespace struct {
	policy.Namespace
	pods     map[*pod]bool
	local    map[*pod]bool // those of this node
	policies map[policy.Key]*knownPolicy
	groups   map[string]*labelGroup // of its pods, by their labels
	byLabel  labelIndex             // of these groups
}

// knownPolicy is a policy that is in force.
type knownPolicy struct {
	*policy.Policy                // with the aliases of nodes
	stated         *policy.Policy // as its object says
	deleted        bool           // but in force while its namespace terminates
}

// namespace returns a namespace by its name; one that was not known before is implied.
func (g *Graph) namespace(name string) *namespace {
	ns, known := g.namespaces[name]
	if !known {
		ns = newNamespace(name)
		g.namespaces[name] = ns
		g.indexLabels(ns, true)
	}
	return ns
}

// newNamespace returns an implied namespace without pods and policies.
func newNamespace(name string) *namespace {
	return &namespace{
		Namespace: policy.ImpliedNamespace(name),
		pods:      map[*pod]bool{}, local: map[*pod]bool{},
		policies: map[policy.Key]*knownPolicy{},
		groups:   map[string]*labelGroup{}, byLabel: newLabelIndex(),
	}
}

// indexLabels lists a namespace under its labels, or takes it off these lists.
func (g *Graph) indexLabels(ns *namespace, in bool) {
	for key, value := range ns.Labels {
		indexUnder(g.withLabel, label{key, value}, ns, in)
		indexUnder(g.withKey, key, ns, in)
	}
}

// indexUnder adds a namespace to the list of one label or key, or removes it. A list
// that is empty is dropped.
func indexUnder[K comparable](lists map[K]map[*namespace]bool, key K, ns *namespace, in bool) {
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

// setNamespace replaces what is known of a namespace. Without an object it is dropped
// once nothing is in it.
func (g *Graph) setNamespace(n policy.Namespace, hasObject bool) {
	ns := g.namespace(n.Name)
	// Once it terminates it does so to its end, also where that was said before an older state of it.
	n.Terminating = n.Terminating || hasObject && n.UID != "" && n.UID == ns.UID && ns.Terminating
	g.indexLabels(ns, false)
	g.countPods(nil, ns.Namespace, -len(ns.pods))
	if ns.Audit != n.Audit {
		g.markLocal(ns)
	}
	ns.Namespace = n
	g.countPods(nil, ns.Namespace, len(ns.pods))
	g.indexLabels(ns, true)
	if !g.keepsDeleted(ns) {
		g.dropDeleted(ns)
	}
	for _, x := range ns.groups {
		g.rematch(x)
	}
	if !hasObject {
		g.dropIfEmpty(ns)
	}
}

// askedNamespace takes over what a server has said of a namespace. Of one that is known, only that it
// terminates: the rest may be older.
func (g *Graph) askedNamespace(n policy.Namespace) {
	known := g.namespace(n.Name).Namespace
	switch {
	case known.Implied || known.UID != n.UID:
		g.setNamespace(n, true)
	case n.Terminating && !known.Terminating:
		known.Terminating = true
		g.setNamespace(known, true)
	}
}

// deleteNamespace has pods and policies that are still known be in an implied
// namespace.
func (g *Graph) deleteNamespace(name string) {
	if _, known := g.namespaces[name]; known {
		g.setNamespace(policy.ImpliedNamespace(name), false)
	}
}

// dropIfEmpty drops a namespace of which no more is known than its name.
func (g *Graph) dropIfEmpty(ns *namespace) {
	if g.namespaces[ns.Name] == ns && len(ns.pods) == 0 && len(ns.policies) == 0 &&
		ns.Equal(policy.ImpliedNamespace(ns.Name)) {
		delete(g.namespaces, ns.Name)
		g.indexLabels(ns, false)
	}
}

// setPolicy replaces a policy. The pods that the old version selects are marked as well
// as those that the new one selects.
func (g *Graph) setPolicy(p *policy.Policy) {
	ns := g.namespace(p.Namespace)
	g.markSubjects(ns, ns.policies[p.Key])
	if old := ns.policies[p.Key]; old == nil {
		g.policies++
	} else {
		g.cache.Forget(old.Policy)
	}
	ns.policies[p.Key] = &knownPolicy{Policy: p.WithAliases(g.aliases), stated: p}
	g.markSubjects(ns, ns.policies[p.Key])
}

// deletePolicy drops a policy. In a namespace that terminates the policies may go
// before the pods: there they go on isolating until the last pod is gone, with all that
// it leaves (CVE-2024-7598).
func (g *Graph) deletePolicy(key policy.Key) {
	ns := g.namespace(key.Namespace)
	p, exists := ns.policies[key]
	if exists && g.keepsDeleted(ns) {
		p.deleted = true
		return
	}
	g.dropPolicy(ns, key)
	g.dropIfEmpty(ns)
}

// dropPolicy takes a policy out of force.
func (g *Graph) dropPolicy(ns *namespace, key policy.Key) {
	p, exists := ns.policies[key]
	if exists {
		g.policies--
		g.cache.Forget(p.Policy)
	}
	delete(ns.policies, key)
	g.markSubjects(ns, p)
}

// dropDeleted drops the policies of a namespace that are deleted and still in force.
func (g *Graph) dropDeleted(ns *namespace) {
	for key, p := range ns.policies {
		if p.deleted {
			g.dropPolicy(ns, key)
		}
	}
}

// keepsDeleted reports whether policies that are deleted stay in force: while the
// namespace terminates and pods are there, and also while there are addresses that
// departed pods of it had.
func (g *Graph) keepsDeleted(ns *namespace) bool {
	departed := false
	for _, p := range g.departed {
		departed = departed || p.Namespace == ns.Name
	}
	return departed && ns.Implied || ns.Terminating && (departed || len(ns.pods) > 0)
}

// dropUnused drops what a namespace keeps for pods that are gone now.
func (g *Graph) dropUnused(ns *namespace) {
	if !g.keepsDeleted(ns) {
		g.dropDeleted(ns)
	}
	g.dropIfEmpty(ns)
}

// markSubjects marks the pods of this node that a policy selects, and all stand-ins.
func (g *Graph) markSubjects(ns *namespace, p *knownPolicy) {
	if p == nil {
		return
	}
	for local := range ns.local {
		if p.Subjects.Matches(*local.claimed, ns.Namespace) {
			g.dirty[local] = true
		}
	}
	g.markStandIns()
}

// markLocal marks all pods of a namespace that are of this node, and all stand-ins.
func (g *Graph) markLocal(ns *namespace) {
	for local := range ns.local {
		g.dirty[local] = true
	}
	g.markStandIns()
}

// markStandIns marks all stand-ins: each may stand for a pod that is concerned.
func (g *Graph) markStandIns() {
	for _, standIn := range g.standIns {
		g.dirty[standIn] = true
	}
}
