package graph

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// pod is a pod that counts, of any node, or a stand-in for pods of this node.
type pod struct {
	claimed   *policy.Pod // as its object says; &peer where it is the peer at all of its addresses
	peer      policy.Pod  // with the addresses at which it is the peer
	ns        *namespace
	group     *labelGroup // nil: the pod is new, or gone
	*localPod             // nil: it never was of this node, as nearly all pods of a cluster
}

// localPod is what a pod of this node, or a stand-in, has in the program.
type localPod struct {
	isolations [2]isolation // by direction
	subject    policy.Pod   // with the addresses at which it is the only subject
	standsFor  []policy.Pod // the pods that a stand-in stands for
}

// setPod replaces what is known of a pod, and updates all pods that claim an address
// which it claims, or has claimed before.
func (g *Graph) setPod(claimed policy.Pod) {
	p, known := g.pods[claimed.Key]
	if !known {
		p = &pod{claimed: &policy.Pod{}}
		g.pods[claimed.Key] = p
	}
	p.ns = g.namespace(claimed.Namespace)
	p.ns.pods[p] = true
	old := *p.claimed
	g.moveToNode(p, old.Node, claimed.Node)
	g.keepAddrs(old, claimed)
	g.unclaim(p)
	p.claimed = &claimed
	g.claim(p)
	g.updateAddrs(slices.Concat(old.Addrs, claimed.Addrs))
	g.updatePod(p)
}

// deletePod deletes a pod. One of this node stays in g.pods, without addresses, until
// its chains are gone too.
func (g *Graph) deletePod(key policy.Key) {
	p, known := g.pods[key]
	if !known {
		return
	}
	old := *p.claimed
	g.keepAddrs(old, policy.Pod{})
	g.unclaim(p)
	p.claimed = &policy.Pod{Key: key}
	delete(p.ns.pods, p)
	g.updateAddrs(old.Addrs)
	g.updatePod(p)
	g.moveToNode(p, old.Node, "")
	if !g.dirty[p] {
		delete(g.pods, key)
	}
	delete(g.outsideRanges, p)
	g.dropUnused(p.ns)
}

// moveToNode keeps track of the pods of this node. A pod that leaves it loses its
// chains.
func (g *Graph) moveToNode(p *pod, from, to string) {
	if from == g.node || to == g.node {
		g.localEvents++
	}
	switch {
	case to == g.node:
		p.ns.local[p], g.localPods[p] = true, true
	case from == g.node:
		delete(p.ns.local, p)
		delete(g.localPods, p)
		g.dirty[p] = true
	}
}

// updatePod updates what follows from the addresses that a pod claims: those that it
// has, its places in sets, and its chains.
func (g *Graph) updatePod(p *pod) {
	g.updateSubject(p)
	claimed := *p.claimed
	peer := claimed.KeepAddrs(func(a netip.Addr) bool { return g.peerAt(a) == p })
	if peer.Equal(p.peer) && (p.group != nil) == p.ns.pods[p] {
		return
	}
	was := p.peer
	p.peer, p.claimed = peer, &p.peer
	if len(peer.Addrs) < len(claimed.Addrs) {
		p.claimed = &claimed
	}
	g.updateLabelGroup(p, was)
}
