package sandbox

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Node is a machine of the cluster: at least one address and at most one of each
// family, and likewise the ranges that its pods' addresses come from. Without a
// range of a family its pods still work, each by a route of its own.
type Node struct {
	Name     string
	Addrs    []netip.Addr
	PodCIDRs []netip.Prefix
}

// node is a Node that exists.
type node struct {
	Node
	*namespace
	links    *netlink.Handle // in the node's namespace
	cni0     int             // the bridge of its pods
	eth0     int             // the veth to the switch
	gateways []netip.Addr    // one per family; the first hops of its pods
	closers  closers
}

// newNode builds everything but the routes to other nodes, which need the others.
func newNode(spec Node, sw *nodeSwitch) (_ *node, err error) {
	spec.Addrs = unmapped(spec.Addrs)
	n := &node{Node: spec, gateways: spec.gateways()}
	if n.namespace, err = newNamespace(asRouter); err != nil {
		return nil, err
	}
	if n.links, err = n.namespace.links(); err != nil {
		return nil, errors.Join(err, n.ns.Close())
	}
	if err = n.connect(sw); err == nil {
		err = n.bridge()
	}
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// gateways are the first hosts of the pod ranges, and one of defaultGateways for each family that
// has none.
func (s Node) gateways() []netip.Addr {
	var gateways []netip.Addr
	for _, fallback := range defaultGateways {
		own := slices.IndexFunc(s.PodCIDRs, func(p netip.Prefix) bool {
			return p.Addr().Is4() == fallback.Is4()
		})
		switch {
		case own >= 0:
			gateways = append(gateways, gatewayOf(s.PodCIDRs[own]))
		case fallback.Is4() || ipv6Supported():
			gateways = append(gateways, fallback)
		}
	}
	return gateways
}

// connect gives the node its veth to the switch, its addresses and its default routes.
func (n *node) connect(sw *nodeSwitch) error {
	port, err := newVeth(sw.links, sw.portName(), n.ns, macFor(n.Addrs[0]))
	if err != nil {
		return err
	}
	eth0, err := n.links.LinkByName("eth0")
	if err != nil {
		return err
	}
	n.eth0 = eth0.Attrs().Index
	if err := n.ns.Do(func() error { return writeSysctls(neighbourSysctls("eth0")) }); err != nil {
		return err
	}
	for _, a := range n.Addrs {
		if err := addAddress(n.links, n.eth0, switchPrefix(a)); err != nil {
			return err
		}
	}
	if err := n.links.LinkSetUp(eth0); err != nil {
		return err
	}
	if err := attachPort(sw.links, port, sw.bridge); err != nil {
		return err
	}
	return errors.Join(awaitUp(n.links, n.eth0), awaitLocal(n.links, n.Addrs), n.routeOut())
}

// routeOut sends what nobody has to a router that does not exist. Every family that pods can have
// gets such a route.
func (n *node) routeOut() error {
	for i, gateway := range n.gateways {
		neighbour := &netlink.Neigh{
			LinkIndex: n.eth0, State: unix.NUD_PERMANENT,
			IP: absentRouter[i].AsSlice(), HardwareAddr: absentRouterMAC,
		}
		if err := n.links.NeighSet(neighbour); err != nil {
			return fmt.Errorf("set neighbour %s: %w", absentRouter[i], err)
		}
		from := sameFamily(n.Addrs, gateway)
		out := route{To: defaultRoute[i], Via: absentRouter[i], From: from, Out: n.eth0}
		if err := out.add(n.links); err != nil {
			return err
		}
	}
	return nil
}

// bridge makes cni0 with the gateways' addresses.
func (n *node) bridge() (err error) {
	if n.cni0, err = newBridge(n.links, "cni0", macFor(n.gateways[0])); err != nil {
		return err
	}
	if err := n.ns.Do(func() error { return writeSysctls(neighbourSysctls("cni0")) }); err != nil {
		return err
	}
	for _, g := range n.gateways {
		prefix := containing(n.PodCIDRs, g)
		if !prefix.IsValid() {
			prefix = hostPrefix(g)
		}
		if err := addAddress(n.links, n.cni0, netip.PrefixFrom(g, prefix.Bits())); err != nil {
			return err
		}
	}
	return nil
}

// routeTo adds the routes to another node: to its addresses if they are on no common subnet, and
// to its pod ranges.
func (n *node) routeTo(other *node) error {
	for _, a := range other.Addrs {
		own := sameFamily(n.Addrs, a)
		if !own.IsValid() || switchPrefix(own).Contains(a) {
			continue
		}
		if err := (route{To: hostPrefix(a), Out: n.eth0}).add(n.links); err != nil {
			return err
		}
	}
	for _, cidr := range other.PodCIDRs {
		if err := n.routeToPods(other, cidr).add(n.links); err != nil {
			return err
		}
	}
	return nil
}

// routeToPods is the route from this node to pods of another.
func (n *node) routeToPods(other *node, pods netip.Prefix) route {
	return route{To: pods, Via: sameFamily(other.Addrs, pods.Addr()), Out: n.eth0}
}

// routeToPod is the route to a pod of this node whose address is outside of its pod ranges.
func (n *node) routeToPod(pod netip.Addr) route {
	from := sameFamily(n.gateways, pod)
	if from.IsLinkLocalUnicast() {
		from = sameFamily(n.Addrs, pod)
	}
	return route{To: hostPrefix(pod), From: from, Out: n.cni0}
}

// listenAddrs are the addresses of its own that another host can send to.
func (n *node) listenAddrs() []netip.Addr {
	addrs := slices.Clone(n.Addrs)
	for _, g := range n.gateways {
		if !g.IsLinkLocalUnicast() {
			addrs = append(addrs, g)
		}
	}
	return addrs
}

// close stops what works in the node and lets go of its namespace.
func (n *node) close() error {
	err := n.closers.closeAll()
	n.links.Close()
	return errors.Join(err, n.ns.Close())
}
