package sandbox_test

import (
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const vxlanPort = 8472 // flannel's

var vxlanMAC = net.HardwareAddr{2, 0, 0, 0, 0x84, 0x72}

// addVxlan makes a device like flannel.1 in the calling thread's namespace. Whatever arrives at its
// port with its MAC address is unpacked.
func addVxlan() error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.HardwareAddr = "flannel.1", vxlanMAC
	device := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: 1, Port: vxlanPort}
	if err := netlink.LinkAdd(device); err != nil {
		return err
	}
	return netlink.LinkSetUp(device)
}

// inVxlan packs an empty datagram into what flannel.1 unpacks (RFC 7348).
func inVxlan(from, to netip.Addr, port int) []byte {
	packed := append([]byte{8, 0, 0, 0, 0, 0, 1, 0}, vxlanMAC...)
	packed = append(packed, 2, 0, 0, 0, 0, 9, 8, 0)
	return append(packed, emptyDatagram(from, to, port)...)
}

// sendPayload sends a datagram with a payload from a pod.
func (r *rig) sendPayload(from string, to netip.AddrPort, payload []byte) error {
	return r.InPod(from, func() error {
		conn, err := net.Dial("udp", to.String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write(payload)
		return err
	})
}

// tunnelRow is who packs what: a datagram from inner to a/web, sent to a node's tunnel.
type tunnelRow struct {
	name, from, node, inner string
	arrives                 bool // where agents are
}

// Nobody reaches a pod through a node's tunnel but other nodes, and they with the addresses of
// their own pods.
func TestTunnelsOnRealPackets(t *testing.T) {
	world := setting{pods: trio, flows: "deny host/out > a/web UDP 81", policies: []string{
		`a/in {podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [cli, far]}]}}]}]}`}}
	for _, row := range []tunnelRow{
		{"a pod, to its own node", "a/cli", "n1", "a/far", false},
		{"a pod, to its own node by its bridge's address", "a/cli", "bridge", "a/far", false},
		{"a pod of another node, to the victim's", "a/far", "n1", "a/far", false},
		{"a pod of another node, to the victim's by its bridge's address", "a/far", "bridge",
			"a/far", false},
		{"another node, with its own pod's address", "host/n2", "n1", "a/far", true},
		{"another node, with an address of a pod of this one", "host/n2", "n1", "a/cli", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t, rigOptions{idle: true})
			w := world.world(t)
			r.build(w)
			r.must(r.InNode("n1", addVxlan))
			r.must(r.InNode("n2", addVxlan))
			heard := r.listen("a/web", 5002)
			r.must(r.tunnel(row))
			eventually(t, "it arrives while nobody filters", func() bool {
				return heard.Load() == 1
			})
			r.start()
			r.tell(w)
			r.must(r.tunnel(row))
			r.wantTunnelled(row, heard, func() { r.check(w, "deny out > a/web UDP 81") })
		})
	}
}

func (r *rig) tunnel(row tunnelRow) error {
	to := netip.MustParseAddr("10.244.1.1")
	if row.node != "bridge" {
		to = r.addrsOf(row.node)[0]
	}
	return r.sendPayload(row.from, netip.AddrPortFrom(to, vxlanPort),
		inVxlan(r.addrsOf(row.inner)[0], r.addrsOf("a/web")[0], 5002))
}

func (r *rig) wantTunnelled(row tunnelRow, heard *atomic.Int64, wait func()) {
	r.t.Helper()
	if row.arrives {
		eventually(r.t, "it arrives", func() bool { return heard.Load() == 2 })
		return
	}
	if wait(); heard.Load() != 1 {
		r.t.Errorf("LEAK: what a node unpacked arrives")
	}
}

// What carries packets without ports is dropped, too, on its way from a pod to its node or to
// another.
func TestTunnelProtocolsOnRealPackets(t *testing.T) {
	nothing := []byte("nothing that can be unpacked")
	for name, proto := range map[string]int{"IP in IP": unix.IPPROTO_IPIP,
		"IPv6 in IP": unix.IPPROTO_IPV6, "GRE": unix.IPPROTO_GRE} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{idle: true})
			w := setting{pods: trio}.world(t)
			r.build(w)
			for at, node := range []string{"n1", "n2"} {
				heard := r.hearProtocol(node, proto)
				r.must(r.sendProtocol("a/cli", r.addrsOf(node)[0], proto, nothing))
				eventually(t, "it arrives while nobody filters", func() bool {
					return heard.Load() == 1
				})
				if at == 1 {
					r.start()
					r.tell(w)
				}
			}
			for _, node := range []string{"n1", "n2"} {
				heard := r.hearProtocol(node, proto)
				r.must(r.sendProtocol("a/cli", r.addrsOf(node)[0], proto, nothing))
				r.must(r.sendProtocol("host/out", r.addrsOf(node)[0], proto, nothing))
				eventually(t, "another host's arrives", func() bool { return heard.Load() > 0 })
				if heard.Load() != 1 {
					t.Errorf("LEAK: a pod's arrives at %s", node)
				}
			}
		})
	}
}

// hearProtocol counts the packets of a protocol that a node receives.
func (r *rig) hearProtocol(node string, proto int) *atomic.Int64 {
	r.t.Helper()
	heard := &atomic.Int64{}
	var conn net.PacketConn
	r.must(r.InNode(node, func() (err error) {
		conn, err = listenProtocol(proto)
		return err
	}))
	r.t.Cleanup(func() { conn.Close() })
	go count(conn, heard)
	return heard
}

func listenProtocol(proto int) (net.PacketConn, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, proto)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "raw")
	defer file.Close()
	return net.FilePacketConn(file)
}

func (r *rig) sendProtocol(from string, to netip.Addr, proto int, payload []byte) error {
	return r.InPod(from, func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, proto)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		defer unix.Close(fd)
		return os.NewSyscallError("sendto", unix.Sendto(fd, payload, 0,
			&unix.SockaddrInet4{Addr: to.As4()}))
	})
}
