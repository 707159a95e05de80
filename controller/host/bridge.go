package host

import (
	"net"
	"slices"

	"github.com/vishvananda/netlink"
)

// bridges are those of the node, with their ports.
type bridges struct {
	byIndex map[int]*bridge
}

// bridge is one of them.
type bridge struct {
	name      string
	filtering bool               // by VLAN: frames between its ports are tagged inside
	pods      map[string]podLink // ports whose other end is in another network namespace
	others    []string
}

// podLink is the node's end of a veth of a pod.
type podLink struct {
	index int
	mac   net.HardwareAddr
	far   far
}

// far is the other end of a veth, as the kernel names it at this one.
type far struct{ namespace, index int }

// bridgesOf returns the bridges among the interfaces of the node.
func bridgesOf(links []netlink.Link) bridges {
	b := bridges{byIndex: map[int]*bridge{}}
	for _, l := range links {
		if found, is := l.(*netlink.Bridge); is {
			filtering := found.VlanFiltering != nil && *found.VlanFiltering
			b.byIndex[found.Index] = &bridge{name: found.Name, filtering: filtering,
				pods: map[string]podLink{}}
		}
	}
	// Ports name their bridge by its index, so all bridges must be known before.
	for _, l := range links {
		a := l.Attrs()
		master := b.byIndex[a.MasterIndex]
		switch {
		// It is the port of no bridge.
		case master == nil:
		case l.Type() == "veth" && a.NetNsID >= 0:
			master.pods[a.Name] = podLink{a.Index, a.HardwareAddr, far{a.NetNsID, a.ParentIndex}}
		default:
			master.others = append(master.others, a.Name)
		}
	}
	return b
}

// shared reports whether a bridge has ports that are no pods'.
func (b bridges) shared(index int) bool { return len(b.byIndex[index].others) > 0 }

// routers are all ports of bridges but those that lead to pods, where pods share one of the bridges
// that they use.
func (b bridges) routers(used map[int]bool) []string {
	var routers []string
	shared := false
	for index, bridge := range b.byIndex {
		routers = append(routers, bridge.others...)
		shared = shared || used[index] && b.shared(index)
		for name := range bridge.pods {
			if !used[index] {
				routers = append(routers, name)
			}
		}
	}
	if !shared {
		return nil
	}
	slices.Sort(routers)
	return routers
}
