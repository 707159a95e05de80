package sandbox_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset/oracle"
)

// lanRouter is a router outside of the cluster, on the bridge of a node's pods.
var lanRouter = netip.MustParseAddr("fe80::77")

// The router of the network that the pods' bridge is part of is heard, by the node and by the pods,
// and no pod is heard that says it is one: with policies and without, also one that nobody has told
// the agent of.
func TestRouterOnThePodsBridgeOnRealPackets(t *testing.T) {
	for name, policies := range map[string][]string{
		"no policy": nil,
		"a policy":  {`a/in {podSelector: {matchLabels: {app: web}}, ingress: []}`},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{})
			s := subjects
			s.policies = policies
			w := s.world(t)
			r.become(w)
			r.must(r.InNode("n1", hearRouters))
			r.must(r.InNode("n1", plugUplink))
			r.awaitRoute(lanRouter, func() error {
				return r.InNode("n1", func() error { return advert(lanRouter).Send("lan0") })
			})
			heard := r.hearsRouter("a/friend", lanRouter)
			r.must(r.InNode("n1", func() error { return advert(lanRouter).Send("lan0") }))
			eventually(t, "a pod hears the router", func() bool { return heard.Count() > 0 })

			r.noRouter("a/cli", netip.MustParseAddr("fe80::bad:1"))
			late := r.newcomer(t, w)
			r.must(r.AddPod(late))
			r.noRouter(late.Name, netip.MustParseAddr("fe80::bad:2"))
			r.check(w, "allow a/cli > a/friend TCP 80\nallow a/cli > a/far UDP 80\n"+
				"allow n1 > a/web TCP 80")

			r.must(r.InNode("n1", func() error { return deleteLink("up0") }))
			time.Sleep(time.Second) // the agent has seen that the bridge is the pods' alone
			r.noRouter("a/cli", netip.MustParseAddr("fe80::bad:3"))
		})
	}
}

// newcomer is a pod beside those of a world, which nobody is told of.
func (r *rig) newcomer(t *testing.T, w *oracle.World) sandbox.Pod {
	next := changedWorld(t, w, func(s *stage) {
		s.Pods = append(s.Pods,
			newPod(t, s.World, []string{"a/new", "n1"}))
	})
	return r.packetPods(next)["a/new"]
}

// noRouter lets a pod say that it is a router: neither its node nor its neighbour hears it.
func (r *rig) noRouter(pod string, as netip.Addr) {
	r.t.Helper()
	heard := r.hearsRouter("a/friend", as)
	for range 3 {
		r.sendFrames(pod, advert(as))
	}
	r.awaitMark("a/cli", "a/friend", int(time.Now().UnixNano()))
	if heard.Count() > 0 {
		r.t.Errorf("LEAK: a neighbour hears that %s is a router", pod)
	}
	if r.routesBy(as) {
		r.t.Errorf("LEAK: the node takes %s for a router", pod)
	}
}

// advert is a router advertisement to everybody, from a MAC address made of its source.
func advert(from netip.Addr) sandbox.Frame {
	bytes := from.As16()
	body := []byte{134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0}
	return sandbox.Frame{
		To:     net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1},
		From:   append(net.HardwareAddr{2, 0}, bytes[12:]...),
		Packet: packetOf(from, netip.MustParseAddr("ff02::1"), unix.IPPROTO_ICMPV6, body),
	}
}

func (r *rig) hearsRouter(at string, router netip.Addr) *sandbox.Sniffer {
	r.t.Helper()
	from := router.As16()
	s, err := r.Sniff(at, func(p []byte) bool {
		return len(p) > 40 && p[0]>>4 == 6 && p[6] == unix.IPPROTO_ICMPV6 && p[40] == 134 &&
			[16]byte(p[8:24]) == from
	})
	r.must(err)
	r.t.Cleanup(func() { s.Close() })
	return s
}

// awaitRoute sends until the node has a route by a router.
func (r *rig) awaitRoute(router netip.Addr, send func() error) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !r.routesBy(router); time.Sleep(
		20 * time.Millisecond) {
		r.must(send())
		if time.Now().After(deadline) {
			r.t.Fatal("BREAK: the node does not hear the router of its network")
		}
	}
}

// routesBy reports whether node n1 has a route by a router.
func (r *rig) routesBy(router netip.Addr) (found bool) {
	r.t.Helper()
	r.must(r.InNode("n1", func() error {
		routes, err := netlink.RouteList(nil, netlink.FAMILY_V6)
		found = slices.ContainsFunc(routes, func(route netlink.Route) bool {
			return route.Gw.Equal(net.IP(router.AsSlice()))
		})
		return err
	}))
	return found
}

// hearRouters lets a node that is a router itself listen to others.
func hearRouters() error {
	return os.WriteFile("/proc/sys/net/ipv6/conf/cni0/accept_ra", []byte("2"), 0)
}

// plugUplink puts an interface that is no pod's on the pods' bridge. Its other end is lan0.
func plugUplink() error {
	cni0, err := netlink.LinkByName("cni0")
	if err != nil {
		return err
	}
	up := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "up0", MasterIndex: cni0.Attrs().Index},
		PeerName: "lan0"}
	if err := netlink.LinkAdd(up); err != nil {
		return err
	}
	lan, err := netlink.LinkByName("lan0")
	if err != nil {
		return err
	}
	return errors.Join(netlink.LinkSetUp(lan), netlink.LinkSetUp(up))
}

func deleteLink(name string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	return netlink.LinkDel(link)
}
