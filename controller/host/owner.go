package host

import (
	"cmp"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"time"

	wire "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// assign gives each address of a pod to one port at most. A tenant with NET_ADMIN can set any
// address on the interface of its pod, also one that another pod has, or will have. So
//
//   - a port has one address of each family, as a pod has;
//   - an address belongs to the port whose interface had it first of all its addresses, which is what
//     the network plugin has set, and only where there is none to another that has it;
//   - of several such, since all that was known is lost with a restart and a pod can remove its own
//     address, it is that which had it soonest after it came to its bridge: a plugin sets it at once,
//     a tenant when its pod runs.
func (h *Host) assign(pods []netip.Addr) {
	h.owners = map[netip.Addr]*port{}
	for _, p := range h.ports {
		clear(p.own)
	}
	// Addresses that a port had first are given away before those that it has got since.
	for _, has := range []func(*port, netip.Addr) bool{(*port).hadFirst, (*port).holds} {
		for _, a := range pods {
			if h.owners[a] != nil {
				continue
			}
			if p := h.soonest(a, has); p != nil {
				h.owners[a], p.own[ruleset.FamilyOf(a)] = p, a
			}
		}
	}
}

// soonest returns the port that had an address soonest, of those that have it and no other of its
// family; nil: there is none.
func (h *Host) soonest(a netip.Addr, has func(*port, netip.Addr) bool) *port {
	var candidates []*port
	for _, p := range h.ports {
		if !p.own[ruleset.FamilyOf(a)].IsValid() && has(p, a) {
			candidates = append(candidates, p)
		}
	}
	switch len(candidates) {
	case 0:
		return nil
	case 1:
		return candidates[0]
	}
	// The index decides where the delays are equal, so that the answer stays the same.
	return slices.MinFunc(candidates, func(p, o *port) int {
		return cmp.Or(cmp.Compare(p.delay(a), o.delay(a)), cmp.Compare(p.index, o.index))
	})
}

// hadFirst reports whether an address is the first of its family that the pod's interface had.
func (p *port) hadFirst(a netip.Addr) bool { return p.first[ruleset.FamilyOf(a)].addr == a }

// holds reports whether the pod's interface had an address when it was looked at last.
func (p *port) holds(a netip.Addr) bool {
	return slices.ContainsFunc(p.held, func(held heldAddr) bool { return held.addr == a })
}

// delay is how long a port was on its bridge before its pod's interface had an address.
func (p *port) delay(a netip.Addr) time.Duration {
	// Only where several ports have an address, the kernel is asked for this.
	if p.joined == 0 {
		p.joined = p.askJoined()
	}
	for _, held := range append([]heldAddr{p.first[ruleset.FamilyOf(a)]}, p.held...) {
		if held.addr == a {
			return held.since - p.joined
		}
	}
	// It does not have the address, so it comes after all that have.
	return math.MaxInt64
}

// askJoined returns when a port came to its bridge: the bridge made the entry for its own end of
// the veth then, which no frame changes (Linux 5.0, older than all that are supported). Without an
// answer it is the kernel's start.
func (p *port) askJoined() time.Duration {
	message := make([]byte, unix.SizeofNdMsg)
	// struct ndmsg: family in byte 0, index from byte 4 on, flags in byte 10.
	message[0], message[10] = unix.AF_BRIDGE, unix.NTF_MASTER
	binary.NativeEndian.PutUint32(message[4:], uint32(p.index))
	mac, err := wire.MarshalAttributes([]wire.Attribute{{Type: unix.NDA_LLADDR,
		Data: p.podLink.mac}})
	if err != nil {
		return 0
	}
	answers, err := ask(unix.RTM_GETNEIGH, 0, append(message, mac...))
	if err != nil || len(answers) == 0 {
		return 0
	}
	return joinedIn(answers[0])
}

// joinedIn reads it from the entry. struct nda_cacheinfo says how many ticks ago it was changed.
func joinedIn(entry []byte) time.Duration {
	attributes, err := wire.NewAttributeDecoder(entry[min(len(entry), unix.SizeofNdMsg):])
	if err != nil {
		return 0
	}
	for attributes.Next() {
		if info := attributes.Bytes(); attributes.Type() == unix.NDA_CACHEINFO && len(info) >= 12 {
			age := binary.NativeEndian.Uint32(info[8:]) // ndm_updated
			return now() - time.Duration(age)*tick
		}
	}
	return 0
}
