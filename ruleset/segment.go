package ruleset

import (
	"net/netip"
	"slices"
	"strings"
)

// Wiring is how the pods of a node are attached to it.
type Wiring struct {
	Links []Link // interfaces of the node by which their packets come in, sorted by name
	// interfaces on bridges that lead to pods: Link, MAC and Addrs; sorted by interface
	Ports   []Port
	Routers []string // all other interfaces on bridges, if the pods share a bridge with any; sorted
	// Hidden has those addresses of pods whose packets cannot be shown to pass a hook of this
	// node, with the reason and what to do.
	Hidden map[netip.Addr]string
	// packets between the ports of a bridge of pods do not pass the forward hook
	Unfiltered bool
	Tunnels    []Tunnel // where the node unpacks what tunnels carry; sorted
	// Incomplete says what the kernel did not tell in time; it is to be asked again. Pods of which it
	// did not tell are bound to nothing, as if they had just started.
	Incomplete string
	// Absent has the families that pods have addresses of and the kernel does not; sorted.
	Absent []Family
}

// Segment is what holds on the bridges that pods of a node share. There a pod can put any address
// into a frame and can reach its neighbours past the network layer.
type Segment struct {
	Ports []Port // sorted by interface
	// addresses of pods and nodes: nobody else may send from them; sorted, disjoint
	Taken   []Range
	Routers []string // if there are any, only these ports may say what routers say; sorted
}

// MAC is the address of an Ethernet interface; the zero value is none.
type MAC [6]byte

// Port is an interface on a bridge, and the pod behind it.
type Port struct {
	Link     string
	MAC      MAC          // of the pod's own interface
	Addrs    []netip.Addr // of the pod, sorted; none: it is not known yet which one it is
	Isolated bool         // for ingress, by any of its addresses; not if everything is allowed
	Bound    bool         // what it sends must come from one of its addresses
	Closed   bool         // nothing passes between it and other ports: no hook would see that
	Refused  string       // why nothing that it sends is taken for a pod's; empty: it is
}

// Compare orders ports by their interfaces.
func (p Port) Compare(o Port) int { return strings.Compare(p.Link, o.Link) }

// Equal reports whether two ports are the same, with the same pod, which is treated alike.
func (p Port) Equal(o Port) bool {
	return p.Link == o.Link && p.MAC == o.MAC && p.Isolated == o.Isolated && p.Bound == o.Bound &&
		p.Closed == o.Closed &&
		p.Refused == o.Refused &&
		slices.Equal(p.Addrs, o.Addrs)
}

// Equal reports whether the same holds.
func (s Segment) Equal(o Segment) bool {
	return slices.EqualFunc(s.Ports, o.Ports, Port.Equal) && slices.Equal(s.Taken, o.Taken) &&
		slices.Equal(s.Routers, o.Routers)
}

// Known reports whether it is known what may be sent from the port: from its addresses, or nothing.
func (p Port) Known() bool { return len(p.Addrs) > 0 || p.Refused != "" }

// Empty reports whether everything may pass.
func (s Segment) Empty() bool {
	return len(s.Routers) == 0 && !slices.ContainsFunc(s.Ports,
		func(p Port) bool { return p.Known() || p.Closed })
}
