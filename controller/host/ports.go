package host

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"time"

	wire "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// port is what was learnt of an interface on a bridge.
type port struct {
	far    far
	master int // index of the bridge
	mac    ruleset.MAC
	addrs  []netip.Addr // sorted
}

func (p port) has(a netip.Addr) bool {
	_, found := slices.BinarySearchFunc(p.addrs, a, netip.Addr.Compare)
	return found
}

// findPorts finds the interfaces on bridges that pods with these addresses sit behind: by the addresses that the
// kernel has at the other end of each veth. It tells them to who has NET_ADMIN (IFA_TARGET_NETNSID, Linux 4.20).
// An address, or a MAC address, that two pods have set is that of the one that was seen with it first.
func (h *Host) findPorts(net bridges, pods []netip.Addr) error {
	if h.ports == nil {
		h.ports = map[string]port{}
	}
	for name, p := range h.ports {
		master := net.byIndex[p.master]
		if master == nil || master.pods[name] != p.far || !slices.ContainsFunc(pods, p.has) {
			delete(h.ports, name)
		}
	}
	socket, err := wire.Dial(unix.NETLINK_ROUTE, &wire.Config{Strict: true})
	if err != nil {
		return fmt.Errorf("open netlink socket: %w", err)
	}
	defer socket.Close()
	missing := slices.ContainsFunc(pods, h.missing)
	for index, bridge := range net.byIndex {
		for _, name := range slices.Sorted(maps.Keys(bridge.pods)) {
			if err := h.meet(socket, name, port{far: bridge.pods[name], master: index}, missing); err != nil {
				return fmt.Errorf("look behind %s: %w", name, err)
			}
		}
	}
	return nil
}

// patience is for the kernel to list the addresses of one interface. The library waits for ever after a system call
// that was interrupted.
const patience = time.Second

// meet learns who is behind a port that is new or, while an address of a pod is missing, behind any: a pod that was
// looked at between its first address and its second has two by now.
func (h *Host) meet(socket *wire.Conn, name string, p port, missing bool) error {
	known, met := h.ports[name]
	if met && !missing {
		return nil
	}
	if err := socket.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	addrs, err := addrsIn(socket, p.far.namespace)
	if err != nil {
		return err
	}
	if p.addrs = append(known.addrs, slices.DeleteFunc(addrs[p.far.index], h.taken)...); len(p.addrs) == 0 {
		return nil
	}
	slices.SortFunc(p.addrs, netip.Addr.Compare)
	if met {
		p.mac = known.mac
		h.ports[name] = p
		return nil
	}
	inside, err := linkIn(socket, p.far)
	if err != nil {
		return err
	}
	if p.mac = inside.mac; slices.ContainsFunc(slices.Collect(maps.Values(h.ports)), func(o port) bool { return o.mac == p.mac }) {
		p.mac = ruleset.MAC{}
	}
	h.ports[name] = p
	return nil
}

func (h *Host) taken(a netip.Addr) bool { return a.IsLinkLocalUnicast() || !h.missing(a) }

// missing reports whether no port is known to have an address.
func (h *Host) missing(a netip.Addr) bool {
	for _, p := range h.ports {
		if p.has(a) {
			return false
		}
	}
	return true
}

// behind says on which bridge each address is.
func (h *Host) behind() map[netip.Addr]int {
	masters := map[netip.Addr]int{}
	for _, p := range h.ports {
		for _, a := range p.addrs {
			masters[a] = p.master
		}
	}
	return masters
}

// portsOn lists the ports that lead to pods on some bridges.
func (h *Host) portsOn(net bridges, used map[int]bool, pods []netip.Addr) []ruleset.Port {
	var ports []ruleset.Port
	for index := range used {
		for name := range net.byIndex[index].pods {
			known := h.ports[name]
			addrs := slices.DeleteFunc(slices.Clone(pods), func(a netip.Addr) bool { return !known.has(a) })
			ports = append(ports, ruleset.Port{Link: name, MAC: known.mac, Addrs: addrs})
		}
	}
	slices.SortFunc(ports, ruleset.Port.Compare)
	return ports
}
