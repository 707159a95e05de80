// Package host knows the node itself: behind which interfaces its pods sit, and whether what they say to
// each other passes the hook that the firewall sits on.
//
//	pod ── veth ── bridge ── veth ── pod      bridged: passes the forward hook only with br_netfilter
//	pod ── veth ── routes ── veth ── pod      routed: passes it always
package host

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Host is the machine in the network namespace of the calling thread. The zero value is ready; it belongs to
// one goroutine.
type Host struct {
	links  map[netip.Addr]link // what was found, for a while
	looked time.Time
	ports  map[string]port // that pods were seen behind, by interface
}

// link is an interface that pods sit behind; none where the name is empty.
type link struct {
	name   string
	bridge bool
}

// memory is how long it is believed that an address sits where it was found.
const memory = 20 * time.Second

// Prepare names the interfaces behind which these pod addresses sit and, if one of them is a bridge, makes
// bridged packets pass the forward hook. An address without a direct route, or that is not on a bridge or a
// veth of its own, sits behind none.
func (h *Host) Prepare(pods []netip.Addr) ([]ruleset.Link, error) {
	if time.Since(h.looked) > memory {
		h.links, h.looked = map[netip.Addr]link{}, time.Now()
	}
	if err := h.find(pods); err != nil {
		return nil, err
	}
	behind := map[string][]netip.Addr{}
	bridged := false
	for _, addr := range pods {
		if l := h.links[addr]; l.name != "" {
			behind[l.name] = append(behind[l.name], addr)
			bridged = bridged || l.bridge
		}
	}
	var links []ruleset.Link
	for _, name := range slices.Sorted(maps.Keys(behind)) {
		links = append(links, ruleset.Link{Name: name, Addrs: behind[name]})
	}
	if bridged {
		return links, filterBridges()
	}
	return links, nil
}

// find learns where those addresses sit of which it is not known. It asks the kernel over one socket: the library would
// open one for each question, two for each pod.
func (h *Host) find(pods []netip.Addr) error {
	known := func(a netip.Addr) bool {
		_, known := h.links[a]
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
		l, err := k.linkOf(addr)
		if err != nil {
			return fmt.Errorf("find the interface of pod address %s: %w", addr, err)
		}
		h.links[addr] = l
	}
	return nil
}

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

// linkOf returns the interface that a pod's address is reached by, if it is a pod's: one that leads to no
// other router, and is a bridge or leads to this one address.
func (k kernel) linkOf(addr netip.Addr) (link, error) {
	routes, err := k.RouteGet(net.IP(addr.AsSlice()))
	if err != nil || len(routes) != 1 || routes[0].Gw != nil {
		return link{}, unlessNowhere(err)
	}
	found, err := k.linkByIndex(routes[0].LinkIndex)
	if err != nil {
		return link{}, unlessNowhere(err)
	}
	bridge := found.Type() == "bridge"
	if bridge {
		return link{found.Attrs().Name, true}, nil
	}
	if direct, err := k.hasHostRoute(found, addr); err != nil || found.Type() != "veth" || !direct {
		return link{}, err
	}
	return link{name: found.Attrs().Name}, nil
}

// unlessNowhere forgives an error that says that there is no way to an address, or no such interface any more.
func unlessNowhere(err error) error {
	var gone netlink.LinkNotFoundError
	for _, nowhere := range []error{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.ESRCH, unix.EINVAL, unix.EACCES, unix.ENODEV, unix.EAFNOSUPPORT} {
		if errors.Is(err, nowhere) {
			return nil
		}
	}
	if errors.As(err, &gone) {
		return nil
	}
	return err
}

// hasHostRoute reports whether a route for just this address leads to the interface, as plugins make that
// give every pod an interface of the node.
func (k kernel) hasHostRoute(link netlink.Link, addr netip.Addr) (bool, error) {
	family := netlink.FAMILY_V4
	if addr.Is6() {
		family = netlink.FAMILY_V6
	}
	routes, err := k.RouteList(link, family)
	if err != nil {
		return false, unlessNowhere(err)
	}
	return slices.ContainsFunc(routes, func(r netlink.Route) bool {
		if r.Dst == nil {
			return false
		}
		ones, bits := r.Dst.Mask.Size()
		return ones == bits && r.Dst.IP.Equal(net.IP(addr.AsSlice()))
	}), nil
}

// bridgeSwitches make br_netfilter hand bridged packets to the hooks of IPv4 and IPv6, per network namespace
// since Linux 5.3.
var bridgeSwitches = []string{"net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables"}

// filterBridges sets the switches that are not set.
func filterBridges() error {
	var errs []error
	for _, name := range bridgeSwitches {
		errs = append(errs, switchOn(name))
	}
	return errors.Join(errs...)
}

func switchOn(name string) error {
	path := "/proc/sys/" + name
	value, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%s is missing, so traffic between pods of this node can't be filtered; load the kernel module: modprobe br_netfilter", name)
	case err != nil:
		return fmt.Errorf("read %s: %w", name, err)
	case strings.TrimSpace(string(value)) == "1":
		return nil
	}
	if err := os.WriteFile(path, []byte("1"), 0); err != nil {
		return fmt.Errorf("%s is 0, so traffic between pods of this node can't be filtered, and it can't be set (%w); run: sysctl -w %s=1",
			name, err, strings.ReplaceAll(name, "/", "."))
	}
	return nil
}
