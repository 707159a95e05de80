package sandbox_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/ruleset/oracle"
)

// oneWay is a world in which a/cli may only speak to a/far, over UDP, and a/far may only be spoken
// to.
var oneWay = setting{pods: trio,
	policies: []string{
		`a/deny {podSelector: {}, policyTypes: [Ingress, Egress]}`,
		`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}], ports: [{port: 80, protocol: UDP}, {port: 81, protocol: UDP}]}]}`,
		`a/in {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: cli}}}], ports: [{port: 80, protocol: UDP}, {port: 81, protocol: UDP}]}]}`},
	flows: `allow a/cli > a/far UDP 80
		allow a/cli > a/web UDP 80
		deny a/far > a/cli UDP 80
		deny a/cli > a/far PING`,
}

// ICMP errors about what is allowed arrive under a denial of everything else: that nobody listens,
// from the other pod, and that a packet is too big, from a router on the way.
func TestErrorsArriveOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.play(t, oneWay)
	for _, to := range []string{"a/far", "a/web"} {
		for _, a := range r.pods[to].Addrs {
			q := question{from: "a/cli", to: to, flow: oracle.Flow{To: a,
				Protocol: corev1.ProtocolUDP, Port: 81}}
			if got := r.answers([]question{q}, long)[0]; got != sandbox.Refused {
				t.Errorf("%s, where nobody listens: %s", q, got)
			}
		}
	}
	const narrow = 1300
	r.must(r.InNode("n2", func() error {
		cni0, err := netlink.LinkByName("cni0")
		if err != nil {
			return err
		}
		return netlink.LinkSetMTU(cni0, narrow)
	}))
	for _, a := range r.pods["a/far"].Addrs {
		r.must(r.InPod("a/cli", func() error { return learnPathMTU(a, narrow) }))
	}
}

// learnPathMTU sends too large a datagram that may not be taken apart, until the kernel has heard
// of the narrow way.
func learnPathMTU(to netip.Addr, want int) error {
	domain, level, discover, do, current := unix.AF_INET, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER,
		unix.IP_PMTUDISC_DO, unix.IP_MTU
	if to.Is6() {
		domain, level, discover, do, current = unix.AF_INET6, unix.IPPROTO_IPV6,
			unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO, unix.IPV6_MTU
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.SetsockoptInt(fd, level, discover, do),
		unix.Connect(fd, sockaddr(to, 80))); err != nil {
		return err
	}
	mtu := 0
	learnt := poll(func() bool {
		_, _ = unix.Write(fd, make([]byte, 1400)) // EMSGSIZE once it is known
		mtu, err = unix.GetsockoptInt(fd, level, current)
		return err != nil || mtu == want
	})
	if !learnt {
		return errors.New("the path MTU to " + to.String() + " was never learnt")
	}
	return err
}

// Messages that only a router may send.
const (
	redirect4            = 5
	routerAdvertisement  = 134
	redirect6            = 137
	advertisementCounter = "Icmp6InRouterAdvertisements"
	redirectCounter      = "Icmp6InRedirects"
)

// A pod is no router (CVE-2020-10749): its router advertisements and redirects reach neither
// another pod nor the node, with policies and without, while those of the nodes' network go their
// way.
func TestPodsAreNoRoutersOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{idle: true})
	w := setting{pods: trio}.world(t)
	r.build(w)
	t.Run("nobody filters", func(t *testing.T) { r.report(t); r.routerTalk(true) })
	r.start()
	r.tell(w)
	t.Run("no policy", func(t *testing.T) { r.report(t); r.routerTalk(false) })
	t.Run("everything is allowed", func(t *testing.T) {
		r.play(t, setting{pods: trio, policies: []string{
			`a/all {podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}`}})
		r.routerTalk(false)
	})
	r.become(w)
	t.Run("from the nodes' network", func(t *testing.T) { r.report(t); r.uplinkTalk() })
}

// routerTalk sends all such messages from a/cli and demands that they pass or not.
func (r *rig) routerTalk(pass bool) {
	r.t.Helper()
	ears := map[string]*ear{"a/web": r.ear("a/web"), "a/far": r.ear("a/far")}
	before := r.nodeHeard("n1")
	web, far, gateway := r.pods["a/web"].Addrs, r.pods["a/far"].Addrs,
		netip.MustParseAddr("fd00:10:244:1::1")
	allNodes := netip.MustParseAddr("ff02::1")
	for _, to := range []netip.Addr{allNodes, r.linkLocal("a/web"), web[1], far[1], gateway} {
		r.must(r.SendICMPv6("a/cli", to, routerAdvertisement, make([]byte, 12)))
		r.must(r.SendICMPv6("a/cli", to, redirect6, make([]byte, 36)))
	}
	for _, to := range []netip.Addr{web[0], far[0], netip.MustParseAddr("10.244.1.1")} {
		r.must(r.InPod("a/cli", func() error { return sendRedirect4(to) }))
	}
	heard := map[string]int{}
	for at, e := range ears {
		heard[at] = e.finish(at)
	}
	for _, to := range hostAddrs("n1") {
		r.ping("a/cli", to, long) // so that the node has heard what came before
	}
	heard["n1"] = r.nodeHeard("n1") - before
	// a/web: of each kind to everybody, to its link-local and to its global address, and the IPv4
	// one; a/far: of each kind and the IPv4 one; the node: of each kind to everybody and to the
	// gateway, and the IPv4 one.
	want := map[string]int{"a/web": 0, "a/far": 0, "n1": 0}
	if pass {
		want = map[string]int{"a/web": 7, "a/far": 3, "n1": 5}
	}
	for at, n := range heard {
		if n != want[at] {
			r.t.Errorf("%s heard %d messages, want %d", at, n, want[at])
		}
	}
}

// uplinkTalk demands that the node hears another router of its network, and a pod what is routed to
// it.
func (r *rig) uplinkTalk() {
	r.t.Helper()
	e := r.ear("a/web")
	defer e.Close()
	before := r.nodeHeard("n1")
	for _, kind := range []byte{routerAdvertisement, redirect6} {
		r.must(r.SendICMPv6("host/out", netip.MustParseAddr("ff02::1"), kind, make([]byte, 36)))
		r.must(r.SendICMPv6("host/out", r.pods["a/web"].Addrs[1], kind, make([]byte, 36)))
	}
	eventually(r.t, "the node heard both", func() bool { return r.nodeHeard("n1") == before+2 })
	eventually(r.t, "the pod heard both", func() bool { return e.routers.Load() == 2 })
}

// ear counts what routers say to a pod.
type ear struct {
	*sandbox.Sniffer // counts pings
	rig              *rig
	routers          atomic.Int64
}

func (r *rig) ear(pod string) *ear {
	r.t.Helper()
	e := &ear{rig: r}
	var err error
	e.Sniffer, err = r.Sniff(pod, func(packet []byte) bool {
		if isRouters(packet) {
			e.routers.Add(1)
		}
		return isPing(packet)
	})
	r.must(err)
	return e
}

// finish returns the count once a ping that was sent after everything else was heard too.
func (e *ear) finish(pod string) int {
	e.rig.t.Helper()
	for _, to := range e.rig.pods[pod].Addrs {
		before := e.Count()
		if got := e.rig.ping("a/cli", to, long); got != sandbox.Open {
			e.rig.t.Errorf("ping %s: %s", to, got)
		}
		eventually(e.rig.t, "the ping was heard", func() bool { return e.Count() > before })
	}
	e.rig.must(e.Close())
	return int(e.routers.Load())
}

// isRouters recognises what routers say.
func isRouters(packet []byte) bool {
	switch {
	case len(packet) > 40 && packet[0]>>4 == 6 && packet[6] == unix.IPPROTO_ICMPV6:
		return packet[40] == routerAdvertisement || packet[40] == redirect6
	case len(packet) > 20 && packet[0] == 0x45 && packet[9] == unix.IPPROTO_ICMP:
		return packet[20] == redirect4
	}
	return false
}

func isPing(packet []byte) bool {
	return len(packet) > 40 && (packet[0]>>4 == 6 && packet[6] == unix.IPPROTO_ICMPV6 &&
		packet[40] == echoRequest[false] ||
		packet[0] == 0x45 && packet[9] == unix.IPPROTO_ICMP && packet[20] == echoRequest[true])
}

// nodeHeard is how many such messages have passed the node's own firewall.
func (r *rig) nodeHeard(node string) (count int) {
	r.t.Helper()
	r.must(r.InNode(node, func() (err error) {
		count, err = routersHeard()
		return err
	}))
	return count
}

// linkLocal is the address that a pod's kernel made up for its segment.
func (r *rig) linkLocal(pod string) (found netip.Addr) {
	r.t.Helper()
	r.must(r.InPod(pod, func() error {
		eth0, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		addrs, err := eth0.Addrs()
		for _, a := range addrs {
			if p, _ := netip.ParsePrefix(a.String()); p.Addr().IsLinkLocalUnicast() {
				found = p.Addr()
			}
		}
		return err
	}))
	return found
}
