package ruleset

import (
	"net/netip"
	"strings"
)

// Segment is what holds on the bridges that pods of a node share. There a pod can put any address into a frame
// and can reach its neighbours past the network layer.
type Segment struct {
	Ports []Port  // sorted by interface
	Taken []Range // addresses of pods and nodes: nobody else may send from them; sorted, disjoint
}

// Port is an interface on a bridge, and the pod behind it.
type Port struct {
	Link     string
	Addrs    []netip.Addr // sorted, not empty
	Isolated bool         // for ingress, by any of its addresses
}

// Compare orders ports by their interfaces.
func (p Port) Compare(o Port) int { return strings.Compare(p.Link, o.Link) }
