package compile

import (
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// addresses answers whose the addresses of a snapshot are. A pod claims the addresses
// that its object states. Who is the peer at an address and who is the subject there
// are two questions: a wrong claim must neither make a pod a peer nor end the isolation
// of a subject.
type addresses struct {
	snapshot Snapshot
	ranges   *policy.PodRanges
	claims   map[netip.Addr][]policy.Pod // the pods that claim an address
	own      map[netip.Addr]bool         // addresses of the snapshot's node
	stated   map[netip.Addr]bool         // addresses of any node, as Node objects say
	behind   map[netip.Addr]bool         // see Snapshot
}

// newAddresses lists who claims each address, and what nodes and the kernel say of it.
func newAddresses(s Snapshot) *addresses {
	x := &addresses{
		snapshot: s, ranges: policy.NewPodRanges(s.Nodes), claims: map[netip.Addr][]policy.Pod{},
		own: map[netip.Addr]bool{}, stated: map[netip.Addr]bool{}, behind: map[netip.Addr]bool{},
	}
	for _, p := range s.Pods {
		for _, a := range p.Addrs {
			x.claims[a] = append(x.claims[a], p)
		}
	}
	for _, a := range s.Own {
		x.own[a] = true
	}
	for _, a := range s.Behind {
		x.behind[a] = true
	}
	for _, n := range s.Nodes {
		x.addNode(n)
	}
	return x
}

// addNode takes in the addresses that a Node object states, except those in a pod
// range: these belong to pods, whatever the object says.
func (x *addresses) addNode(n policy.Node) {
	for _, a := range n.Addrs {
		if !x.ranges.Contains(a) {
			x.stated[a] = true
			if n.Name == x.snapshot.Node && x.snapshot.Own == nil {
				x.own[a] = true
			}
		}
	}
}

// peerAt returns the pod that is the peer at an address: of the pods that claim it and
// can have it, the one that outranks the others.
func (x *addresses) peerAt(a netip.Addr) (best policy.Pod, found bool) {
	// An address of a node is no pod's, whichever pod claims it.
	if x.own[a] || x.stated[a] {
		return policy.Pod{}, false
	}
	for _, p := range x.claims[a] {
		can := x.ranges.CanBeOf(p.Node, a, x.snapshot.Anywhere)
		if can && (!found || p.Outranks(best)) {
			best, found = p, true
		}
	}
	return best, found
}

// isPods reports whether a pod is the peer at an address.
func (x *addresses) isPods(a netip.Addr) bool {
	_, is := x.peerAt(a)
	return is
}

// peers returns all pods with the addresses at which they are peers.
func (x *addresses) peers() []policy.Pod {
	peers := make([]policy.Pod, len(x.snapshot.Pods))
	for i, p := range x.snapshot.Pods {
		peers[i] = p.KeepAddrs(func(a netip.Addr) bool {
			peer, found := x.peerAt(a)
			return found && peer.Key == p.Key
		})
	}
	return peers
}

// subjectsAt returns the pods of the node that are subjects at an address. Only the
// kernel can take an address from them: where it is the node's own, or outside of the
// node's pod ranges and behind none of its pods' interfaces. What other objects claim
// does not count.
func (x *addresses) subjectsAt(a netip.Addr) []policy.Pod {
	node := x.snapshot.Node
	possible := x.behind[a] || x.ranges.CanBeSubject(node, a, x.snapshot.Anywhere)
	if x.own[a] || !possible {
		return nil
	}
	isElsewhere := func(p policy.Pod) bool { return p.Node != node }
	return slices.DeleteFunc(slices.Clone(x.claims[a]), isElsewhere)
}

// soleSubjects returns the pods of the node with those of their addresses that no other
// pod of the node claims.
func (x *addresses) soleSubjects() []policy.Pod {
	var pods []policy.Pod
	for _, p := range x.snapshot.Pods {
		if p.Node != x.snapshot.Node {
			continue
		}
		sole := p.KeepAddrs(func(a netip.Addr) bool { return len(x.subjectsAt(a)) == 1 })
		if len(sole.Addrs) > 0 {
			pods = append(pods, sole)
		}
	}
	return pods
}

// standIns yields the addresses that need a stand-in, with the pods that it stands for:
// the several pods of the node that claim the address, or the departed pod that had it
// last.
func (x *addresses) standIns() iter.Seq2[netip.Addr, []policy.Pod] {
	pods := map[netip.Addr][]policy.Pod{}
	for _, p := range x.snapshot.Departed {
		for _, a := range p.Addrs {
			if !x.own[a] {
				pods[a] = []policy.Pod{p}
			}
		}
	}
	for a := range x.claims {
		switch subjects := x.subjectsAt(a); len(subjects) {
		case 0:
		case 1:
			delete(pods, a)
		default:
			pods[a] = subjects
		}
	}
	return maps.All(pods)
}

// subjectAddrs returns the addresses at which pods of the node are subjects if policies
// select them.
func (x *addresses) subjectAddrs() []netip.Addr {
	var addrs []netip.Addr
	for a := range x.claims {
		if len(x.subjectsAt(a)) > 0 {
			addrs = append(addrs, a)
		}
	}
	return addrs
}
