package host

import (
	"errors"
	"net"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// way is the interface by which the node reaches an address without another router; none where the
// name is empty.
type way struct {
	name, kind string
	index      int
	own        bool // it leads to this one address, so that all its packets come in by it
	absent     bool // the node has no such family
}

// bridgeKind is what the kernel calls a bridge (IFLA_INFO_KIND).
const bridgeKind = "bridge"

// kernel is who is asked, and what it has said of interfaces.
type kernel struct {
	*netlink.Handle
	links map[int]netlink.Link
}

// linkByIndex asks once for each.
func (k kernel) linkByIndex(index int) (netlink.Link, error) {
	if l, asked := k.links[index]; asked {
		return l, nil
	}
	l, err := k.LinkByIndex(index)
	if err == nil {
		k.links[index] = l
	}
	return l, err
}

// wayTo returns the interface that an address is reached by.
func (k kernel) wayTo(addr netip.Addr) (way, error) {
	routes, err := k.RouteGet(net.IP(addr.AsSlice()))
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT) {
		return way{absent: true}, nil
	}
	// What is reached through another router is not on this node.
	if err != nil || len(routes) != 1 || routes[0].Gw != nil || routes[0].Via != nil {
		return way{}, unlessNowhere(err)
	}
	found, err := k.linkByIndex(routes[0].LinkIndex)
	if err != nil {
		return way{}, unlessNowhere(err)
	}
	w := way{name: found.Attrs().Name, kind: found.Type(), index: found.Attrs().Index}
	// Only such an interface can be for one pod alone, and none that is a port of something else.
	if !slices.Contains(pairKinds, w.kind) || found.Attrs().MasterIndex != 0 {
		return w, nil
	}
	w.own, err = k.hasHostRoute(found, addr)
	return w, err
}

// pairKinds are kinds of interfaces whose other end is a pod's, or a virtual machine's.
var pairKinds = []string{"veth", "netkit", "tuntap"}

// unlessNowhere forgives an error that says that there is no way to an address, or no such
// interface any more.
func unlessNowhere(err error) error {
	var gone netlink.LinkNotFoundError
	for _, nowhere := range []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ESRCH, unix.EINVAL,
		unix.EACCES, unix.ENODEV} {
		if errors.Is(err, nowhere) {
			return nil
		}
	}
	if errors.As(err, &gone) {
		return nil
	}
	return err
}

// hasHostRoute reports whether a route for just this address leads to the interface, as plugins
// make that give every pod an interface of the node.
func (k kernel) hasHostRoute(link netlink.Link, addr netip.Addr) (bool, error) {
	family := netlink.FAMILY_V4
	if addr.Is6() {
		family = netlink.FAMILY_V6
	}
	routes, err := uninterrupted(func() ([]netlink.Route, error) { return k.RouteList(link, family) })
	if err != nil {
		return false, unlessNowhere(err)
	}
	return slices.ContainsFunc(routes, func(r netlink.Route) bool {
		// A default route may have no destination.
		if r.Dst == nil {
			return false
		}
		ones, bits := r.Dst.Mask.Size()
		return ones == bits && r.Dst.IP.Equal(net.IP(addr.AsSlice()))
	}), nil
}
