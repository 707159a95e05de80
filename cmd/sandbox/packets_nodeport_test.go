package sandbox_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
)

// A pod with a link of its own is no other pod at a Service's port of its node either: what it sends
// there with that one's source does not reach the pod of the Service. Who has the source does, and so
// does what has no source yet reach the node.
func TestForgedSourceToANodePortOnRealPackets(t *testing.T) {
	needNft(t)
	r := newRig(t, rigOptions{idle: true})
	w := setting{pods: trio, policies: []string{
		`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchLabels: {app: far}}}]}]}`,
	}}.world(t)
	r.build(w)
	r.must(r.nft("n1", services()))
	link := r.ownLink("a/cli")
	r.ownLink("a/web")
	mac := r.mac(r.InNode, "n1", link)
	forged := func(mark string) (heard int) {
		for i, source := range r.pods["a/far"].Addrs {
			node := netip.AddrPortFrom(netip.MustParseAddr(node1[i]), 30080)
			ear := r.hears("a/web", mark)
			r.sendFrames("a/cli", sandbox.Frame{To: mac,
				Packet: datagram(netip.AddrPortFrom(source, frameFrom), node, mark)})
			if holdsWithin(silence, func() bool { return ear.Count() > 0 }) {
				heard++
			}
		}
		return heard
	}
	eventually(t, "it arrives while nobody filters", func() bool {
		return forged("open forgery.") == len(node1)
	})
	r.start()
	r.tell(w)
	if heard := forged("fenced forgery."); heard > 0 {
		t.Errorf("LEAK: %d of %d pass for another pod's", heard, len(node1))
	}
	for _, node := range node1 {
		ear := r.hears("a/web", "its own.")
		r.must(r.InPod("a/far", func() error {
			conn, err := new(net.Dialer).DialContext(context.Background(), "udp",
				net.JoinHostPort(node, "30080"))
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = conn.Write([]byte("its own."))
			return err
		}))
		eventually(t, "the pod with that source is heard", func() bool { return ear.Count() > 0 })
	}
	r.asksForAnAddress(t, "a/cli", mac)
	r.check(w, `deny a/cli > a/web UDP 81
		allow a/far > a/web TCP 80
		allow a/cli > n1 TCP 80
		allow a/cli > a/far UDP 80`)
}

// ownLink takes the end of a pod's link on the first node from the bridge, and returns its name: the
// pod is reached by a route of its own then, and finds the node by it.
func (r *rig) ownLink(pod string) (name string) {
	r.t.Helper()
	r.must(r.InNode("n1", func() error {
		list, err := netlink.LinkList()
		if err != nil {
			return err
		}
		for _, l := range list {
			if l.Attrs().Alias == pod {
				name = l.Attrs().Name
				return errors.Join(netlink.LinkSetNoMaster(l), r.routeBy(l, pod))
			}
		}
		return errors.New("it has no link")
	}))
	return name
}

// routeBy leads to a pod by a link, and gives that the addresses by which the pod finds the node.
func (r *rig) routeBy(l netlink.Link, pod string) error {
	errs := []error{os.WriteFile("/proc/sys/net/ipv4/conf/"+l.Attrs().Name+"/proxy_arp", []byte("1"),
		0)}
	for i, gateway := range []string{"10.244.1.1", "fd00:10:244:1::1"} {
		first := netip.MustParseAddr(gateway)
		errs = append(errs, netlink.AddrAdd(l, &netlink.Addr{IPNet: hostNet(first),
			Flags: unix.IFA_F_NODAD}), netlink.RouteReplace(&netlink.Route{
			LinkIndex: l.Attrs().Index, Scope: netlink.SCOPE_LINK,
			Dst: hostNet(r.pods[pod].Addrs[i])}))
	}
	return errors.Join(errs...)
}

// hostNet is the network of one address.
func hostNet(a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
}

// asksForAnAddress sends what who has none sends to the node, which has to hear it.
func (r *rig) asksForAnAddress(t *testing.T, pod string, mac net.HardwareAddr) {
	t.Helper()
	var server net.PacketConn
	r.must(r.InNode("n1", func() (err error) {
		server, err = net.ListenPacket("udp4", ":67")
		return err
	}))
	defer server.Close()
	r.must(server.SetReadDeadline(time.Now().Add(patience)))
	r.sendFrames(pod, sandbox.Frame{To: mac, Packet: datagram(
		netip.AddrPortFrom(netip.IPv4Unspecified(), 68),
		netip.MustParseAddrPort("255.255.255.255:67"), "who am I")})
	heard := make([]byte, 100)
	if n, _, err := server.ReadFrom(heard); err != nil || string(heard[:n]) != "who am I" {
		t.Errorf("BREAK: the node hears %q, %v", heard[:n], err)
	}
}
