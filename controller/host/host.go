// Package host knows the node itself: behind which interfaces its pods sit, and whether what they
// say to each other passes the hook that the firewall sits on.
//
//	pod ── veth ── bridge ── veth ── pod      bridged: passes the forward hook only with br_netfilter
//	pod ── veth ── routes ── veth ── pod      routed: passes it always
//	pod ── macvlan, ipvlan, SR-IOV ── pod     hidden: passes no hook of the node
package host

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Host is the machine in the network namespace of the calling thread. The zero value is ready; it
// belongs to one goroutine, but for Watch, which has one of its own.
type Host struct {
	ways   map[netip.Addr]way // what was found, for a while
	looked time.Time
	ports  map[string]*port // on bridges, by interface
	owners map[netip.Addr]*port
	// incomplete says what the kernel did not tell in the last look; empty: nothing.
	incomplete string
	stale      atomic.Bool // Watch saw that something changed
}

// memory is how long it is believed that an address sits where it was found.
const memory = 20 * time.Second

// Prepare says how the pods with these addresses are attached to the node, and where tunnels end on
// it.
func (h *Host) Prepare(pods []netip.Addr) (ruleset.Wiring, error) {
	links, err := listLinks()
	if err != nil {
		return ruleset.Wiring{}, err
	}
	tunnels, err := tunnelsOf(links)
	if err != nil {
		return ruleset.Wiring{}, err
	}
	// Without pods nothing that was learnt of their ports is of use.
	if len(pods) == 0 {
		clear(h.ports)
		clear(h.owners)
		return ruleset.Wiring{Tunnels: tunnels}, nil
	}
	wiring, err := h.attachments(bridgesOf(links), pods)
	wiring.Tunnels = tunnels
	return wiring, err
}

// attachments says how the pods with these addresses are attached.
func (h *Host) attachments(net bridges, pods []netip.Addr) (ruleset.Wiring, error) {
	// After a change an address may be somewhere else.
	if h.stale.Swap(false) || time.Since(h.looked) > memory {
		h.ways, h.looked = map[netip.Addr]way{}, time.Now()
	}
	if err := h.findPorts(net, pods); err != nil {
		return ruleset.Wiring{}, err
	}
	if err := h.findWays(pods); err != nil {
		return ruleset.Wiring{}, err
	}
	return h.wiring(net, pods), nil
}

// findWays learns by which interfaces those addresses are reached of which it is not known. It asks
// the kernel over one socket: the library would open one for each question, two for each pod.
func (h *Host) findWays(pods []netip.Addr) error {
	known := func(a netip.Addr) bool {
		_, known := h.ways[a]
		return known
	}
	unknown := slices.DeleteFunc(slices.Clone(pods), known)
	if len(unknown) == 0 {
		return nil
	}
	socket, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("open netlink socket: %w", err)
	}
	defer socket.Close()
	k := kernel{socket, map[int]netlink.Link{}}
	for _, addr := range unknown {
		w, err := k.wayTo(addr)
		if err != nil {
			return fmt.Errorf("find the interface of pod address %s: %w", addr, err)
		}
		h.ways[addr] = w
	}
	return nil
}

// wiring puts together what was found.
func (h *Host) wiring(net bridges, pods []netip.Addr) ruleset.Wiring {
	w := ruleset.Wiring{Hidden: map[netip.Addr]string{}, Incomplete: h.incomplete}
	behind := h.masters()
	used, routed := map[int]bool{}, map[string]bool{} // bridges by index, other interfaces by name
	bound := map[string][]netip.Addr{}
	for _, a := range pods {
		way := h.ways[a]
		master, bridged := behind[a]
		// Index 0, of an address on no known port, is no interface; it is left out below.
		used[master] = used[master] || bridged
		used[way.index] = used[way.index] || way.kind == bridgeKind
		routed[way.name] = routed[way.name] || way.own
		on := net.byIndex[master]
		// Where no port is known to have the address, the bridge is the one that its route leads
		// to.
		if on == nil && way.kind == bridgeKind {
			on = net.byIndex[way.index]
		}
		if family := ruleset.FamilyOf(a); way.absent && !slices.Contains(w.Absent, family) {
			w.Absent = append(w.Absent, family)
		}
		if reason := hiding(way, on); reason != "" {
			w.Hidden[a] = reason
			delete(h.ways, a) // it is looked for again
		} else if way.own || way.kind == bridgeKind && (!bridged || master == way.index) {
			bound[way.name] = append(bound[way.name], a)
		}
	}
	maps.DeleteFunc(used, func(index int, used bool) bool {
		return !used || net.byIndex[index] == nil
	})
	w.Ports, w.Routers = h.portsOn(net, used), net.routers(used)
	for name := range routed {
		if routed[name] {
			w.Links = append(w.Links, ruleset.Link{Name: name, Addrs: bound[name]})
		}
	}
	for index := range used {
		name := net.byIndex[index].name
		w.Links = append(w.Links, ruleset.Link{Name: name, Addrs: bound[name],
			Shared: net.shared(index)})
	}
	slices.Sort(w.Absent)
	slices.SortFunc(w.Links, func(a, b ruleset.Link) int { return cmp.Compare(a.Name, b.Name) })
	// Only bridged packets need the switches; routed ones pass the hook anyway.
	w.Unfiltered = len(used) > 0 && !switchedOn()
	explain(w.Hidden)
	return w
}
