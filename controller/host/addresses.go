package host

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
)

// Addresses returns the addresses that the node itself has, and the ranges that it has for pods, as
// far as its interfaces and its network plugin tell.
func (h *Host) Addresses() (own []netip.Addr, ranges []netip.Prefix, err error) {
	listed, err := ListAddrs(&netlink.Handle{})
	if err != nil {
		return nil, nil, err
	}
	for _, l := range listed {
		if a, ok := netip.AddrFromSlice(l.IP); ok {
			a = a.Unmap()
			// Any machine can have these at the same time, so they tell nothing.
			if !a.IsLoopback() && !a.IsLinkLocalUnicast() && !a.IsMulticast() {
				own = append(own, a)
			}
		}
	}
	slices.SortFunc(own, netip.Addr.Compare)
	ranges, err = podRanges(listed)
	ranges = append(ranges, subnets()...)
	slices.SortFunc(ranges, netip.Prefix.Compare)
	return slices.Compact(own), slices.Compact(ranges), err
}

// ListAddrs lists the addresses of all interfaces of the node, over the sockets of a handle. Of one
// family at a time the kernel tells without the lock that all changes of interfaces hold (since Linux
// 6.10); of all families at once it waits for that.
func ListAddrs(sockets *netlink.Handle) ([]netlink.Addr, error) {
	return listAddrs(func(family int) ([]netlink.Addr, error) { return sockets.AddrList(nil, family) })
}

// listAddrs lists those of all families by what lists those of one.
func listAddrs(listOf func(family int) ([]netlink.Addr, error)) (all []netlink.Addr, err error) {
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := uninterrupted(func() ([]netlink.Addr, error) { return listOf(family) })
		if err != nil {
			return nil, fmt.Errorf("list the node's addresses: %w", err)
		}
		all = append(all, list...)
	}
	return all, nil
}

// podRanges returns the ranges that interfaces tell of: those of bridges for pods, and those that
// the tunnels of flannel have the first address of. A bridge of another name is the pods' if its
// range begins where a known one does.
func podRanges(listed []netlink.Addr) ([]netip.Prefix, error) {
	links, err := listLinks()
	if err != nil {
		return nil, err
	}
	var ranges, bridged []netip.Prefix
	for _, link := range links {
		for _, p := range prefixesOf(link, listed) {
			switch {
			case link.Type() == "bridge":
				bridged = append(bridged, p.Masked())
				if slices.Contains(podBridges, link.Attrs().Name) {
					ranges = append(ranges, p.Masked())
				}
			case strings.HasPrefix(link.Attrs().Name, "flannel"):
				r, err := tunnelRange(link, p.Addr())
				if err != nil {
					return nil, err
				}
				ranges = append(ranges, r...)
			}
		}
	}
	for _, p := range bridged { // of another name
		if slices.ContainsFunc(ranges, func(r netip.Prefix) bool { return r.Addr() == p.Addr() }) {
			ranges = append(ranges, p)
		}
	}
	return ranges, nil
}

// podBridges are what plugins call the bridge of a node's pods. Others, such as docker0, are
// nobody's business.
var podBridges = []string{"cni0", "cbr0", "kube-bridge"}

// prefixesOf returns the addresses of an interface with the lengths of their subnets, without
// link-local ones.
func prefixesOf(link netlink.Link, listed []netlink.Addr) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, l := range listed {
		a, ok := netip.AddrFromSlice(l.IP)
		if a = a.Unmap(); l.LinkIndex != link.Attrs().Index || !ok || a.IsLinkLocalUnicast() {
			continue
		}
		ones, _ := l.Mask.Size()
		prefixes = append(prefixes, netip.PrefixFrom(a, ones))
	}
	return prefixes
}

// tunnelRange returns the range that a tunnel has the first address of. It is as long as those of
// other nodes, which routes over the tunnel lead to; without any, as Kubernetes and flannel make
// them.
func tunnelRange(link netlink.Link, first netip.Addr) ([]netip.Prefix, error) {
	family, bits := netlink.FAMILY_V4, 24
	if first.Is6() {
		family, bits = netlink.FAMILY_V6, 64
	}
	routes, err := uninterrupted(func() ([]netlink.Route, error) {
		return netlink.RouteList(link, family)
	})
	if err != nil && unlessNowhere(err) != nil {
		return nil, fmt.Errorf("list routes of %s: %w", link.Attrs().Name, err)
	}
	for _, r := range routes {
		// 10.244.2.0/24 via 10.244.2.0 onlink
		if r.Dst != nil && r.Gw != nil && r.Dst.IP.Equal(r.Gw) {
			bits, _ = r.Dst.Mask.Size()
		}
	}
	p := netip.PrefixFrom(first, bits)
	// An address that is not the first of a range tells of none.
	if p.Masked() != p {
		return nil, nil
	}
	return []netip.Prefix{p}, nil
}

// subnetFile is where flannel writes down the ranges of its node; a container does not see it.
const subnetFile = "/run/flannel/subnet.env"

// subnets reads it, if it is there.
func subnets() []netip.Prefix {
	text, err := os.ReadFile(subnetFile)
	if err != nil {
		return nil
	}
	return subnetsIn(text)
}

// subnetsIn finds lines such as FLANNEL_SUBNET=10.244.1.1/24 and FLANNEL_IPV6_SUBNET=fd00::1/64.
func subnetsIn(text []byte) []netip.Prefix {
	var ranges []netip.Prefix
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), "=")
		p, err := netip.ParsePrefix(strings.TrimSpace(value))
		if err == nil && (name == "FLANNEL_SUBNET" || name == "FLANNEL_IPV6_SUBNET") {
			ranges = append(ranges, p.Masked())
		}
	}
	return ranges
}

// Behind returns which of these addresses are at the other end of a veth of this node, as pods'
// are. Where more are there than are read, what was known before of the port counts.
func (h *Host) Behind(addrs []netip.Addr) ([]netip.Addr, error) {
	links, err := listLinks()
	if err != nil {
		return nil, err
	}
	behind, crowded := map[netip.Addr]bool{}, []*port{}
	for _, l := range links {
		at := l.Attrs()
		// The number is negative if the other end is in this network namespace, too.
		if l.Type() != "veth" || at.NetNsID < 0 {
			continue
		}
		end := far{at.NetNsID, at.ParentIndex}
		there, err := addrsOf(end)
		// A tenant's pod with very many addresses must not keep the pods that are gone.
		if errors.Is(err, errTooMany) {
			crowded, err = append(crowded, h.portAt(at, end)), nil
		}
		if err != nil {
			return nil, fmt.Errorf("list addresses behind %s: %w", at.Name, err)
		}
		for _, held := range there {
			behind[held.addr] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool {
		return !behind[a] && !slices.ContainsFunc(crowded, func(p *port) bool { return p.mayHold(a) })
	}), nil
}

// portAt returns what is known of a port by its interface and the other end of that; nil: nothing.
func (h *Host) portAt(at *netlink.LinkAttrs, end far) *port {
	p := h.ports[at.Name]
	if p == nil || p.index != at.Index || p.far != end {
		return nil
	}
	return p
}
