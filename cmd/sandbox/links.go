package sandbox

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const (
	mtu         = 1500
	linkTimeout = 5 * time.Second // for the kernel to see that both ends of a veth are up
)

// newBridge makes a bridge that is up. A MAC address given here stays; without
// one the bridge takes over its ports' addresses as they come and go. Snooping
// is off, so that every multicast reaches every port.
func newBridge(links *netlink.Handle, name string, mac net.HardwareAddr) (int, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.HardwareAddr, attrs.Flags = name, mtu, mac, net.FlagUp
	snooping := false
	bridge := &netlink.Bridge{LinkAttrs: attrs, MulticastSnooping: &snooping}
	if err := links.LinkAdd(bridge); err != nil {
		return 0, fmt.Errorf("add bridge %s: %w", name, err)
	}
	return bridge.Index, nil
}

// newVeth makes a veth pair that is down: one end here under the given name, the
// other, eth0 with the given MAC address, in the far namespace.
func newVeth(links *netlink.Handle, name string, far Netns, mac net.HardwareAddr) (int, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = name, mtu
	veth := netlink.NewVeth(attrs)
	veth.PeerName, veth.PeerHardwareAddr = "eth0", mac
	raw, err := far.file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		veth.PeerNamespace = netlink.NsFd(fd)
		failed = links.LinkAdd(veth)
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return 0, fmt.Errorf("add veth %s: %w", name, err)
	}
	return veth.Index, nil
}

// link names an interface by its index, which is all that most requests need.
func link(index int) netlink.Link {
	return &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: index}}
}

// attachPort sets up this end of a veth whose far end is up, and makes it a port of the bridge once
// it is operational. Such a port forwards from the first moment, any other one only when a worker
// of the kernel has enabled it.
func attachPort(links *netlink.Handle, port, bridge int) error {
	if err := links.LinkSetUp(link(port)); err != nil {
		return fmt.Errorf("up port: %w", err)
	}
	if err := awaitUp(links, port); err != nil {
		return err
	}
	if err := links.LinkSetMasterByIndex(link(port), bridge); err != nil {
		return fmt.Errorf("add port to bridge: %w", err)
	}
	return nil
}

// awaitUp waits until an interface sends. An interface that was up before it had
// its carrier drops what it should send until a kernel worker has noticed the carrier.
func awaitUp(links *netlink.Handle, index int) error {
	return await(fmt.Sprintf("interface %d", index), func() (bool, error) {
		l, err := links.LinkByIndex(index)
		return err == nil && l.Attrs().OperState == netlink.OperUp, err
	})
}

// awaitLocal waits until a host takes packets for its addresses. Without DAD too,
// a kernel worker joins the solicited-node group of an IPv6 address and only then
// adds the local route: until then nobody can resolve the address.
func awaitLocal(links *netlink.Handle, addrs []netip.Addr) error {
	for _, a := range addrs {
		err := await("address "+a.String(), func() (bool, error) {
			routes, err := links.RouteGet(a.AsSlice())
			return err == nil && len(routes) > 0 && routes[0].Type == unix.RTN_LOCAL, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// await polls: the kernel announces none of what is waited for here on one channel.
func await(what string, ready func() (bool, error)) error {
	for deadline := time.Now().Add(linkTimeout); ; time.Sleep(100 * time.Microsecond) {
		if ok, err := ready(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s does not work after %v", what, linkTimeout)
		}
	}
}

// addAddress gives an interface an address that works at once.
func addAddress(links *netlink.Handle, index int, p netip.Prefix) error {
	addr := &netlink.Addr{IPNet: ipNet(p)}
	if p.Addr().Is6() {
		addr.Flags = unix.IFA_F_NODAD
	}
	if p.Addr().IsLinkLocalUnicast() {
		addr.Scope = unix.RT_SCOPE_LINK
	}
	if err := links.AddrAdd(link(index), addr); err != nil {
		return fmt.Errorf("add address %s: %w", p, err)
	}
	return nil
}

// route is where packets for To leave: by the interface Out, through Via or
// straight to the neighbour where Via is zero, from From where that is set.
// Via need not be inside any subnet of the interface.
type route struct {
	To        netip.Prefix
	Via, From netip.Addr
	Out       int
}

// add adds the route, or replaces one to the same destination.
func (r route) add(links *netlink.Handle) error {
	if err := links.RouteReplace(r.encode()); err != nil {
		return fmt.Errorf("add route to %s: %w", r.To, err)
	}
	return nil
}

// remove removes the route; it is no error if there is none.
func (r route) remove(links *netlink.Handle) error {
	if err := links.RouteDel(r.encode()); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("delete route to %s: %w", r.To, err)
	}
	return nil
}

// encode is the route as the netlink library has it. A router is marked as on the link, since it
// need not be in any subnet of the interface.
func (r route) encode() *netlink.Route {
	encoded := &netlink.Route{
		Dst: ipNet(r.To.Masked()), LinkIndex: r.Out, Scope: netlink.SCOPE_LINK}
	if r.Via.IsValid() {
		encoded.Gw, encoded.Scope = r.Via.AsSlice(), netlink.SCOPE_UNIVERSE
		encoded.Flags = int(netlink.FLAG_ONLINK)
	}
	if r.From.IsValid() {
		encoded.Src = r.From.AsSlice()
	}
	return encoded
}
