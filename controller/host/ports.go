package host

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"time"

	"github.com/picket-project/picket/ruleset"
)

// port is what was learnt of an interface on a bridge.
type port struct {
	podLink
	master int // index of the bridge
	mac    ruleset.MAC
	// first are the addresses that the pod's interface had first, one of each family: those that
	// the network plugin set before the pod ran.
	first   map[ruleset.Family]heldAddr
	held    []heldAddr                    // all that it had when it was looked at last
	own     map[ruleset.Family]netip.Addr // those that belong to this port
	crowded bool                          // it had more than are read
	unread  bool                          // the kernel did not tell in time what it has
	joined  time.Duration                 // when it came to its bridge; 0: not asked
}

// findPorts finds the interfaces on bridges that pods with these addresses sit behind: by the
// addresses that the kernel has at the other end of each veth. It tells them to who has NET_ADMIN
// (IFA_TARGET_NETNSID, Linux 4.20).
func (h *Host) findPorts(net bridges, pods []netip.Addr) error {
	h.forgetPorts(net)
	h.incomplete = ""
	hasOwner := func(a netip.Addr) bool { return h.owners[a] != nil }
	missing := slices.DeleteFunc(slices.Clone(pods), hasOwner)
	for index, bridge := range net.byIndex {
		for name, link := range bridge.pods {
			// What is known of a port counts, unless one of the missing addresses may be behind it.
			p := h.ports[name]
			if p == nil {
				p = &port{own: map[ruleset.Family]netip.Addr{},
					first: map[ruleset.Family]heldAddr{}}
				h.ports[name] = p
			} else if p.far == link.far && !p.unread && !p.wants(missing, pods) {
				continue
			}
			p.podLink, p.master = link, index
			if err := h.lookBehind(name, p); err != nil {
				return err
			}
		}
	}
	h.assign(pods)
	h.findMACs()
	return nil
}

// lookBehind reads the addresses behind a port. Where the kernel does not answer in time, others are
// not asked for in this look: pods of which it is known where they are must not wait for that.
func (h *Host) lookBehind(name string, p *port) error {
	if p.unread = h.incomplete != ""; p.unread {
		return nil
	}
	err := p.look()
	if p.unread = errors.Is(err, os.ErrDeadlineExceeded); p.unread {
		h.incomplete = fmt.Sprintf("look behind %s: %v", name, err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("look behind %s: %w", name, err)
	}
	return nil
}

// forgetPorts forgets the ports that are gone. An interface of the node keeps its number, whatever
// its pod does.
func (h *Host) forgetPorts(net bridges) {
	if h.ports == nil {
		h.ports = map[string]*port{}
	}
	maps.DeleteFunc(h.ports, func(name string, p *port) bool {
		master := net.byIndex[p.master]
		return master == nil || master.pods[name].index != p.index
	})
}

// wants reports whether a port may have one of the addresses that no port is known to have: a
// pod that was looked at between its first address and its second has two by now.
func (p *port) wants(missing, pods []netip.Addr) bool {
	return slices.ContainsFunc(missing, func(a netip.Addr) bool {
		// A port whose address belongs to a pod that is asked for gets no other of that family.
		_, owned := slices.BinarySearchFunc(pods, p.own[ruleset.FamilyOf(a)], netip.Addr.Compare)
		return !owned
	})
}

// look reads the addresses behind a port. What it had first stays so, whatever else it has by now.
func (p *port) look() error {
	held, err := addrsOf(p.far)
	// What it had when it was looked at before stays: others must not wait for a longer list.
	if p.crowded = errors.Is(err, errTooMany); p.crowded {
		return nil
	}
	if err != nil {
		return err
	}
	p.held = slices.DeleteFunc(held, func(a heldAddr) bool { return a.addr.IsLinkLocalUnicast() })
	for _, a := range p.held {
		family := ruleset.FamilyOf(a.addr)
		if first, has := p.first[family]; !has || a.since < first.since {
			p.first[family] = a
		}
	}
	return nil
}

// mayHold reports whether a crowded port can have an address: it was seen with it, or never with any
// of that family, so that nothing is known. A nil port is one that was never looked at.
func (p *port) mayHold(a netip.Addr) bool {
	if p == nil {
		return true
	}
	_, seen := p.first[ruleset.FamilyOf(a)]
	return !seen || p.hadFirst(a) || p.holds(a)
}

// findMACs learns the MAC addresses of pods whose addresses are known. One that another pod was
// seen with before is not theirs; of those that are new at the same time nobody has it. It is no
// error if one is not told: a pod can make what is said of its interface too long.
func (h *Host) findMACs() {
	found, count := map[*port]ruleset.MAC{}, map[ruleset.MAC]int{}
	for _, p := range h.ports {
		mac := p.mac
		if mac == (ruleset.MAC{}) && len(p.own) > 0 {
			inside, _ := linkIn(p.far)
			mac, found[p] = inside.mac, inside.mac
		}
		count[mac]++
	}
	for p, mac := range found {
		if count[mac] == 1 {
			p.mac = mac
		}
	}
}

// masters says on which bridge each address is.
func (h *Host) masters() map[netip.Addr]int {
	masters := map[netip.Addr]int{}
	for a, p := range h.owners {
		masters[a] = p.master
	}
	return masters
}

// portsOn lists the ports that lead to pods on some bridges.
func (h *Host) portsOn(net bridges, used map[int]bool) []ruleset.Port {
	var ports []ruleset.Port
	for index := range used {
		for name := range net.byIndex[index].pods {
			known := h.ports[name]
			port := ruleset.Port{Link: name, MAC: known.mac}
			port.Addrs = slices.SortedFunc(maps.Values(known.own), netip.Addr.Compare)
			// Which addresses the pod may use is not known, so it may use none.
			if known.crowded && len(port.Addrs) == 0 {
				port.Refused = fmt.Sprintf("the pod has %s addresses", errTooMany)
			}
			ports = append(ports, port)
		}
	}
	slices.SortFunc(ports, ruleset.Port.Compare)
	return ports
}
