package sandbox_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset/oracle"

	"github.com/picket-project/picket/cmd/sandbox"
)

// listen counts the datagrams that a pod's sockets receive, whatever address they were sent to.
func (r *rig) listen(pod string, port int) *atomic.Int64 {
	r.t.Helper()
	heard := &atomic.Int64{}
	for _, network := range []string{"udp4", "udp6"} {
		var conn net.PacketConn
		r.must(r.InPod(pod, func() (err error) {
			conn, err = net.ListenPacket(network, fmt.Sprintf(":%d", port))
			return err
		}))
		r.t.Cleanup(func() { conn.Close() })
		go count(conn, heard)
	}
	return heard
}

func count(conn net.PacketConn, heard *atomic.Int64) {
	for buffer := make([]byte, 64); ; heard.Add(1) {
		if _, _, err := conn.ReadFrom(buffer); err != nil {
			return
		}
	}
}

// segmentWays are ways by which a pod may try to get at another one of its segment without using an
// address that is known to be that pod's.
var segmentWays = []struct {
	name string
	send func(r *rig) error
}{
	{"link-local", func(r *rig) error { return r.sendUDP("a/cli", r.linkLocal("a/web"), 5000) }},
	{"multicast, IPv4", func(r *rig) error {
		return r.sendUDP("a/cli",
			netip.MustParseAddr("224.0.0.1"), 5000)
	}},
	{"multicast, IPv6", func(r *rig) error {
		return r.sendUDP("a/cli",
			netip.MustParseAddr("ff02::1"), 5000)
	}},
	{"broadcast", func(r *rig) error {
		return r.sendUDP("a/cli",
			netip.MustParseAddr("255.255.255.255"), 5000)
	}},
	{"broadcast on the subnet", func(r *rig) error {
		return r.sendUDP("a/cli", netip.MustParseAddr("10.244.1.255"), 5000)
	}},
	{"VLAN tag 0", func(r *rig) error { return r.sendTagged("a/cli", "a/web", 5000, 1) }},
	{"VLAN tag 0 twice", func(r *rig) error { return r.sendTagged("a/cli", "a/web", 5000, 2) }},
	{"its address", func(r *rig) error {
		return r.sendUDP("a/cli", r.pods["a/web"].Addrs[0],
			5000)
	}},
	{"its address, without a tag", func(r *rig) error {
		return r.sendTagged("a/cli", "a/web", 5000, 0)
	}},
}

// A pod that is isolated is so on its own segment too, whatever its or a neighbour's packet is
// addressed to.
func TestSegmentOnRealPackets(t *testing.T) {
	lack := bridgesLack(t)
	for _, way := range segmentWays {
		t.Run(way.name, func(t *testing.T) {
			if lack != "" && strings.HasPrefix(way.name, "VLAN") {
				t.Skip(lack) // iptables alone sees no frames with tags
			}
			r := newRig(t, rigOptions{idle: true})
			receiver := setting{pods: trio, policies: []string{
				`a/in {podSelector: {matchLabels: {app: web}}, ingress: []}`}}.world(t)
			sender := setting{pods: trio, policies: []string{
				`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress]}`}}.world(t)
			r.build(receiver)
			heard := r.listen("a/web", 5000)
			r.must(way.send(r))
			eventually(t, "it arrives while nobody filters",
				func() bool { return heard.Load() == 1 })
			r.start()
			for isolated, w := range map[string]*oracle.World{"receiver": receiver,
				"sender": sender} {
				r.tell(w)
				r.must(way.send(r))
				r.check(w, "deny a/cli > a/web UDP 81") // takes longer than a packet that passes
				if heard.Load() != 1 {
					t.Fatalf("LEAK: it arrives though its %s is isolated", isolated)
				}
			}
		})
	}
}

// linkLocalWays are packets with one link-local address, and policies that allow all addresses but
// those of pods.
var linkLocalWays = []struct {
	name, policy string
	ends         func(r *rig) (from, to netip.Addr)
}{
	{
		"from a link-local address",
		`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{ipBlock: {cidr: "::/0", except: ["fd00:10:244::/48"]}}]}]}`,
		func(r *rig) (from, to netip.Addr) { return r.linkLocal("a/cli"), r.addrsOf("a/web")[1] },
	},
	{
		"to a link-local address",
		`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress],
			egress: [{to: [{ipBlock: {cidr: "::/0", except: ["fd00:10:244::/48"]}}]}]}`,
		func(r *rig) (from, to netip.Addr) { return r.addrsOf("a/cli")[1], r.linkLocal("a/web") },
	},
}

// A link-local address is no pod's, so that a policy which excepts pods does not allow it either.
func TestLinkLocalIsNoWayAroundOnRealPackets(t *testing.T) {
	for _, way := range linkLocalWays {
		t.Run(way.name, func(t *testing.T) {
			r := newRig(t, rigOptions{idle: true})
			w := setting{pods: trio, policies: []string{way.policy}}.world(t)
			r.build(w)
			from, to := way.ends(r)
			send := func(mark string) *sandbox.Sniffer {
				ear := r.hears("a/web", mark)
				r.sendFrames("a/cli", sandbox.Frame{To: r.macOf("a/web"), Packet: marked(from, to,
					mark)})
				return ear
			}
			open := send("open.")
			eventually(t, "it arrives while nobody filters", func() bool {
				return open.Count() > 0
			})
			r.start()
			r.tell(w)
			if fenced := send("fenced."); holdsWithin(silence, func() bool {
				return fenced.Count() > 0
			}) {
				t.Error("LEAK: it reaches a pod that the policy excepts")
			}
		})
	}
}

// A pod is isolated as itself, whatever address it writes into its frames.
func TestForgedSourceOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{idle: true})
	w := setting{pods: trio + "\na/friend n1 app=friend",
		policies: []string{`a/far {podSelector: {matchLabels: {app: far}}, ingress: [{}]}`}}.world(
		t)
	r.build(w)
	forgeries := []struct {
		name   string
		source netip.Addr
		passes bool
	}{
		{"its neighbour's", r.pods["a/friend"].Addrs[0], false},
		{"a pod's of another node", r.pods["a/far"].Addrs[0], false},
		{"its node's", rigNodes()[1].Addrs[0], false},
		{"its own", r.pods["a/cli"].Addrs[0], true},
		{"of somebody that it routes for", netip.MustParseAddr("198.51.100.7"), true},
	}
	heard := r.listen("a/web", 5000)
	for _, f := range forgeries {
		before := heard.Load()
		r.must(r.sendFrame("a/cli", "a/web", f.source, 5000, 0))
		eventually(t, f.name+" arrives while nobody filters",
			func() bool { return heard.Load() > before })
	}
	r.start()
	r.tell(w)
	for _, f := range forgeries {
		before := heard.Load()
		r.must(r.sendFrame("a/cli", "a/web", f.source, 5000, 0))
		r.check(w, "allow a/friend > a/web UDP 81") // takes longer than a packet that passes
		if passed := heard.Load() > before; passed != f.passes {
			t.Errorf("a source address that is %s (%s) passes: %t, want %t", f.name, f.source,
				passed, f.passes)
		}
	}
	r.check(w, `allow a/cli > a/web TCP 80
		allow a/web > a/cli TCP 80
		allow a/cli > a/far UDP 80
		allow a/cli > n1 TCP 80
		allow a/cli > out UDP 80`)
}

// sendUDP sends a datagram by the pod's eth0.
func (r *rig) sendUDP(from string, to netip.Addr, port int) error {
	return r.InPod(from, func() error {
		domain := unix.AF_INET
		if to.Is6() {
			domain = unix.AF_INET6
		}
		fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		defer unix.Close(fd)
		if err := unix.BindToDevice(fd, "eth0"); err != nil {
			return os.NewSyscallError("bind", err)
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
		return os.NewSyscallError("sendto", unix.Sendto(fd, []byte("x"), 0, sockaddr(to, port)))
	})
}

// sendTagged sends a datagram in a frame with VLAN tags of the VLAN 0, which a receiver takes off.
func (r *rig) sendTagged(from, to string, port, tags int) error {
	return r.sendFrame(from, to, r.pods[from].Addrs[0], port, tags)
}

// sendFrame sends one by the pod's eth0 that says it comes from an address.
func (r *rig) sendFrame(from, to string, source netip.Addr, port, tags int) error {
	f := sandbox.Frame{To: r.macOf(to), Tags: tags,
		Packet: emptyDatagram(source, r.pods[to].Addrs[0], port)}
	return r.InPod(from, func() error { return f.Send("eth0") })
}
