package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// lan is the switch that connects all hosts, and their default gateway.
var lan = host{"switch", 1}

// connect makes the network namespaces of all hosts and connects them to the switch.
func connect(v variant) error {
	err := errors.Join(newNetns(lan), inNetns(lan, func() error { return addBridge(v) }))
	if err != nil {
		return err
	}
	for _, h := range append([]host{control}, v.nodes()...) {
		if err := addHost(v, h); err != nil {
			return fmt.Errorf("connect %s: %w", h.Name, err)
		}
	}
	return nil
}

// newNetns makes a host's network namespace, under /run/netns as `ip netns` does.
func newNetns(h host) error {
	runtime.LockOSThread()
	was, err := netns.Get()
	if err != nil {
		return err
	}
	defer was.Close()
	made, err := netns.NewNamed(h.netns())
	if err != nil {
		return fmt.Errorf("network namespace %s: %w", h.netns(), err)
	}
	defer made.Close()
	if err := setUp("lo"); err != nil {
		return err
	}
	if err := netns.Set(was); err != nil {
		return err
	}
	runtime.UnlockOSThread()
	return nil
}

func addBridge(v variant) error {
	if err := netlink.LinkAdd(
		&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br0"}}); err != nil {
		return err
	}
	return errors.Join(setUp("br0"), address("br0", v, lan))
}

// addHost gives a host its eth0, with the other end at the switch.
func addHost(v variant, h host) error {
	if err := newNetns(h); err != nil {
		return err
	}
	inside, err := netns.GetFromName(h.netns())
	if err != nil {
		return err
	}
	defer inside.Close()
	err = inNetns(lan, func() error {
		cable := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: h.Name},
			PeerName:  "eth0", PeerNamespace: netlink.NsFd(inside),
		}
		bridge, err := netlink.LinkByName("br0")
		return errors.Join(err, netlink.LinkAdd(cable), netlink.LinkSetMaster(cable, bridge),
			setUp(h.Name))
	})
	if err != nil {
		return err
	}
	return inNetns(h, func() error {
		return errors.Join(setUp("eth0"), address("eth0", v, h), gateway(lan.ip4()), gateway6(v),
			forward())
	})
}

func setUp(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(link)
}

// address gives a link the host's addresses; the IPv6 one without the wait for duplicates.
func address(name string, v variant, h host) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	four, _ := netlink.ParseAddr(h.ip4() + "/24")
	if err := netlink.AddrAdd(link, four); err != nil || !v.Dual() {
		return err
	}
	six, _ := netlink.ParseAddr(h.ip6() + "/64")
	six.Flags = unix.IFA_F_NODAD
	return netlink.AddrAdd(link, six)
}

func gateway(ip string) error { return netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(ip)}) }

func gateway6(v variant) error {
	if !v.Dual() {
		return nil
	}
	return gateway(lan.ip6())
}

// forward makes a router of the host, as kubeadm asks of a node. br_netfilter is as the kernel
// starts it: on.
func forward() error {
	return errors.Join(
		os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0),
		os.WriteFile("/proc/sys/net/ipv6/conf/all/forwarding", []byte("1"), 0),
	)
}
