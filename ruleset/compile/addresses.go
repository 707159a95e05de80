package compile

import (
	"iter"
	"maps"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/ruleset/policy"
)

// addresses says whose the addresses of a snapshot are. Who is a peer by an address and who is a subject are two
// questions: a wrong claim must neither make somebody a peer nor take a subject its isolation.
type addresses struct {
	snapshot Snapshot
	ranges   *policy.Ranges
	claims   map[netip.Addr][]policy.Pod
	own      map[netip.Addr]bool // those of the snapshot's node
	stated   map[netip.Addr]bool // those of any node, as Node objects say
	behind   map[netip.Addr]bool // see Snapshot
}

func newAddresses(s Snapshot) *addresses {
	x := &addresses{
		snapshot: s, ranges: policy.NewRanges(s.Nodes), claims: map[netip.Addr][]policy.Pod{},
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
		for _, a := range n.Addrs {
			if !x.ranges.Within(a) { // else it is a pod's, whatever a Node object says
				x.stated[a] = true
				if n.Name == s.Node && s.Own == nil {
					x.own[a] = true
				}
			}
		}
	}
	return x
}

// holder returns the pod that is the peer by an address: of those that it can belong to the one that outranks the
// others.
func (x *addresses) holder(a netip.Addr) (best policy.Pod, found bool) {
	if x.own[a] || x.stated[a] {
		return policy.Pod{}, false
	}
	for _, p := range x.claims[a] {
		if x.ranges.CanBeOf(p.Node, a, x.snapshot.Anywhere) && (!found || p.Outranks(best)) {
			best, found = p, true
		}
	}
	return best, found
}

func (x *addresses) isPods(a netip.Addr) bool {
	_, is := x.holder(a)
	return is
}

// peers returns all pods with the addresses by which they are peers.
func (x *addresses) peers() []policy.Pod {
	peers := make([]policy.Pod, len(x.snapshot.Pods))
	for i, p := range x.snapshot.Pods {
		peers[i] = p.Holding(func(a netip.Addr) bool {
			holder, found := x.holder(a)
			return found && holder.Key == p.Key
		})
	}
	return peers
}

// local returns the pods of the node that are judged by an address. Nobody else's word takes one from them, only that of
// the kernel: where the address is the node's own, or outside of its pods' range and behind none of their interfaces.
func (x *addresses) local(a netip.Addr) []policy.Pod {
	node := x.snapshot.Node
	possible := x.behind[a] || x.ranges.CanBeSubject(node, a, x.snapshot.Anywhere)
	if x.own[a] || !possible {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(x.claims[a]), func(p policy.Pod) bool { return p.Node != node })
}

// plain returns the pods of the node with those of their addresses that no other pod of it claims.
func (x *addresses) plain() []policy.Pod {
	var pods []policy.Pod
	for _, p := range x.snapshot.Pods {
		if p.Node != x.snapshot.Node {
			continue
		}
		sole := p.Holding(func(a netip.Addr) bool { return len(x.local(a)) == 1 })
		if len(sole.Addrs) > 0 {
			pods = append(pods, sole)
		}
	}
	return pods
}

// disputed returns the addresses that several pods of the node claim, with these, and those of which the last pod is
// gone, with that.
func (x *addresses) disputed() iter.Seq2[netip.Addr, []policy.Pod] {
	pods := map[netip.Addr][]policy.Pod{}
	for _, p := range x.snapshot.Departed {
		for _, a := range p.Addrs {
			if !x.own[a] {
				pods[a] = []policy.Pod{p}
			}
		}
	}
	for a := range x.claims {
		switch local := x.local(a); len(local) {
		case 0:
		case 1:
			delete(pods, a)
		default:
			pods[a] = local
		}
	}
	return maps.All(pods)
}

// known returns the addresses by which pods of the node are judged, if they are isolated.
func (x *addresses) known() []netip.Addr {
	var known []netip.Addr
	for a := range x.claims {
		if len(x.local(a)) > 0 {
			known = append(known, a)
		}
	}
	return known
}
