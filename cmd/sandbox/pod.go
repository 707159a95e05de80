package sandbox

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// Pod is a pod of the cluster. Name is "namespace/name". A pod with HostNetwork
// is its node's namespace; its Addrs, if any, only say which of the node's
// addresses it goes by.
type Pod struct {
	Name        string
	Node        string
	Addrs       []netip.Addr
	HostNetwork bool
}

// pod is a Pod that exists.
type pod struct {
	Pod
	*namespace // its own, or its node's if HostNetwork
	home       *node
	veth       int          // the index of the end on the node
	unranged   []netip.Addr // addresses outside of the node's pod ranges
	serving    map[endpoint]bool
	closers    closers
}

const maxAlias = 255 // bytes of an interface's alias

// endpoint is what a pod can serve.
type endpoint struct {
	Protocol
	Port uint16
}

// closers are the servers and sniffers of a namespace, which have to be closed with it. Closing one
// of them twice must be harmless.
type closers []io.Closer

// closeAll closes all of them, even if the first ones fail.
func (c closers) closeAll() error {
	var errs []error
	for _, member := range c {
		errs = append(errs, member.Close())
	}
	return errors.Join(errs...)
}

// newPod builds the pod's namespace and connects it to its node. Routes on other nodes are left to
// the cluster.
func newPod(spec Pod, home *node, name string) (_ *pod, err error) {
	p := &pod{Pod: spec, home: home, serving: map[endpoint]bool{}}
	if spec.HostNetwork {
		p.namespace = home.namespace
		return p, nil
	}
	for _, a := range spec.Addrs {
		if !containing(home.PodCIDRs, a).IsValid() {
			p.unranged = append(p.unranged, a)
		}
	}
	if p.namespace, err = newNamespace(asHost); err != nil {
		return nil, err
	}
	if err := p.connect(name); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, nil
}

// connect makes the veth. The order matters twice: the pod's end is up before the node's end
// becomes a port, and the port forwards before the pod announces its addresses, with hairpin still
// off so that the pod does not receive its own announcement.
func (p *pod) connect(name string) (err error) {
	mac := macFor(p.Addrs[0])
	if p.veth, err = newVeth(p.home.links, name, p.ns, mac); err != nil {
		return err
	}
	links, err := p.namespace.links()
	if err != nil {
		return err
	}
	defer links.Close()
	eth0, err := p.configure(links)
	if err != nil {
		return err
	}
	if err := attachPort(p.home.links, p.veth, p.home.cni0); err != nil {
		return err
	}
	if err := p.await(links, eth0.Attrs().Index); err != nil {
		return err
	}
	if err := links.LinkSetHardwareAddr(eth0, mac); err != nil {
		return fmt.Errorf("announce addresses: %w", err)
	}
	if err := p.home.links.LinkSetHairpin(link(p.veth), true); err != nil {
		return fmt.Errorf("set hairpin: %w", err)
	}
	if err := p.home.links.LinkSetAlias(link(p.veth), p.alias()); err != nil {
		return fmt.Errorf("set alias: %w", err)
	}
	return p.routeUnranged()
}

// alias is what `ip link` shows on the node, at most what the kernel takes.
func (p *pod) alias() string { return p.Name[:min(len(p.Name), maxAlias)] }

// configure brings up the pod's end: addresses, then the link, then the routes,
// which the kernel takes only on a link that is up.
func (p *pod) configure(links *netlink.Handle) (netlink.Link, error) {
	if err := p.ns.Do(func() error { return writeSysctls(neighbourSysctls("eth0")) }); err != nil {
		return nil, err
	}
	eth0, err := links.LinkByName("eth0")
	if err != nil {
		return nil, err
	}
	for _, a := range p.Addrs {
		if err := addAddress(links, eth0.Attrs().Index, p.subnet(a)); err != nil {
			return nil, err
		}
	}
	if err := links.LinkSetUp(eth0); err != nil {
		return nil, fmt.Errorf("up eth0: %w", err)
	}
	return eth0, p.routeOut(links, eth0.Attrs().Index)
}

// await waits for both sides. The bridge had no carrier before its first pod.
func (p *pod) await(links *netlink.Handle, eth0 int) error {
	return errors.Join(
		awaitUp(links, eth0), awaitLocal(links, p.Addrs),
		awaitUp(p.home.links, p.home.cni0), awaitLocal(p.home.links, p.home.gateways),
	)
}

// subnet is the pod range of the node, or the address alone where it is in none.
func (p *pod) subnet(a netip.Addr) netip.Prefix {
	if cidr := containing(p.home.PodCIDRs, a); cidr.IsValid() {
		return netip.PrefixFrom(a, cidr.Bits())
	}
	return hostPrefix(a)
}

// routeOut sends everything to the gateway, which need not be on the pod's subnet.
func (p *pod) routeOut(links *netlink.Handle, eth0 int) error {
	for i, gateway := range p.home.gateways {
		if !sameFamily(p.Addrs, gateway).IsValid() {
			continue
		}
		if err := (route{To: defaultRoute[i], Via: gateway, Out: eth0}).add(links); err != nil {
			return err
		}
	}
	return nil
}

// routeUnranged routes the node to those addresses that its bridge's subnets do not cover.
func (p *pod) routeUnranged() error {
	for _, a := range p.unranged {
		if err := p.home.routeToPod(a).add(p.home.links); err != nil {
			return err
		}
	}
	return nil
}

// close stops what works in the pod and deletes its veth. The node's routes to addresses outside of
// its ranges name cni0, so they do not go with the veth.
func (p *pod) close() error {
	if p.HostNetwork {
		return p.release()
	}
	var errs []error
	for _, a := range p.unranged {
		errs = append(errs, p.home.routeToPod(a).remove(p.home.links))
	}
	if p.veth != 0 {
		errs = append(errs, p.home.links.LinkDel(link(p.veth)))
	}
	return errors.Join(append(errs, p.release())...)
}

// release lets go of the pod and leaves its veth to the kernel.
func (p *pod) release() error {
	err := p.closers.closeAll()
	if !p.HostNetwork {
		err = errors.Join(err, p.ns.Close())
	}
	return err
}

// source is where its probes to an address come from. A hostNetwork pod leaves
// that to the routes. ok says that the pod has an address of the family at all.
func (p *pod) source(to netip.Addr) (from netip.Addr, ok bool) {
	if from = sameFamily(p.Addrs, to); !from.IsValid() {
		return from, false
	}
	if !p.HostNetwork {
		return from, true
	}
	if to.Is4() {
		return netip.IPv4Unspecified(), true
	}
	return netip.IPv6Unspecified(), true
}

// listenAddrs are what it serves on: for the host, all that others can send to.
func (p *pod) listenAddrs() []netip.Addr {
	if p.HostNetwork {
		return p.home.listenAddrs()
	}
	return p.Addrs
}
