package sandbox_test

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	corev1 "k8s.io/api/core/v1"
)

// Where an address gets another pod, what the pod before had open and the new one's rules forbid is
// over once they are in force: not one number arrives any more. What they allow goes on, and nobody
// else notices.
func TestAnHeirInheritsNothingOnRealPackets(t *testing.T) {
	for _, change := range []struct {
		name string
		do   func(*stage)
	}{
		{"the old pod is over", func(s *stage) {
			s.heir("a/cli", "a/next", "n1", "app=next")
			s.pod("a/cli", complete)
		}},
		{"the old pod is not known to be over", func(s *stage) {
			s.heir("a/cli", "a/next", "n1", "app=next")
		}},
		{"the old pod is gone", func(s *stage) {
			s.heir("a/cli", "a/next", "n1", "app=next")
			s.dropPod("a/cli")
		}},
	} {
		t.Run(change.name, func(t *testing.T) {
			r, forbidden, permitted := openRig(t)
			// n2 decides about what goes to a/far.
			forbidden = slices.DeleteFunc(forbidden,
				func(s *stream) bool { return s.server == "a/far" })
			began := map[*stream]int64{}
			tap := r.agents["n1"].tap
			tap.breakdown(func(apply func() error) error {
				err := apply()
				time.Sleep(cutWithin / 100) // what was on its way arrives
				for _, s := range forbidden {
					began[s] = s.heard.Load()
				}
				return err
			})
			r.tell(changedWorld(t, r.told, change.do))
			tap.breakdown(nil)
			if len(began) == 0 {
				t.Fatal("no rules began")
			}
			time.Sleep(cutWithin / 10)
			for _, s := range forbidden {
				if now := s.heard.Load(); now != began[s] {
					t.Errorf("%s: %d more arrived after the new rules began", s, now-began[s])
				}
			}
			undisturbed(t, permitted)
		})
	}
}

// vips are addresses of a node beside its own.
var vips = []netip.Addr{netip.MustParseAddr("10.77.0.100"), netip.MustParseAddr("fd77::100")}

// What was open between a pod and an address of its own node was never decided about. It is when the
// address goes to another node.
func TestAnAddressOfTheNodeMovesOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	alone := `a/cli {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress]}`
	w := setting{pods: "a/cli n1 app=cli", policies: []string{alone}}.world(t)
	w = changedWorld(t, w, func(s *stage) { s.own("n1", vips) })
	r.hold("n1", vips)
	r.become(w)
	var heard [2]map[netip.Addr]*atomic.Int64
	for i, node := range []string{"n1", "n2"} {
		heard[i] = map[netip.Addr]*atomic.Int64{}
		for _, a := range vips {
			heard[i][a] = r.echo(t, hostOf(node), a)
		}
	}
	for _, a := range vips {
		r.dripInto(t, "a/cli", a)
	}
	for _, a := range vips {
		eventually(t, "the own node hears", func() bool { return heard[0][a].Load() > 10 })
	}
	r.release("n1", vips, "n2")
	r.hold("n2", vips)
	r.tell(changedWorld(t, w, func(s *stage) { s.own("n1", nil); s.own("n2", vips) }))
	for _, a := range vips {
		last, since := int64(-1), time.Now()
		if !poll(func() bool {
			if now := heard[1][a].Load(); now != last {
				last, since = now, time.Now()
			}
			return time.Since(since) > cutWithin/10
		}) {
			t.Errorf("another node goes on hearing at %s: %d", a, last)
		}
	}
}

// own gives the object of a node these addresses, beside those that it has.
func (s *stage) own(node string, more []netip.Addr) {
	i := slices.IndexFunc(s.Nodes, func(n *corev1.Node) bool { return n.Name == node })
	s.Nodes = slices.Clone(s.Nodes)
	s.Nodes[i] = s.Nodes[i].DeepCopy()
	s.Nodes[i].Status.Addresses = nil
	for _, a := range append(hostAddrs(node), more...) {
		address := corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: a.String()}
		s.Nodes[i].Status.Addresses = append(s.Nodes[i].Status.Addresses, address)
	}
}

// hold adds addresses to a node.
func (r *rig) hold(node string, addrs []netip.Addr) {
	r.t.Helper()
	for _, a := range addrs {
		r.must(r.InNode(node, func() error { return netlink.AddrAdd(wireOf(r), single(a)) }))
	}
}

// release takes addresses from a node, which reaches them by another from then on.
func (r *rig) release(node string, addrs []netip.Addr, to string) {
	r.t.Helper()
	for i, a := range addrs {
		r.must(r.InNode(node, func() error {
			wire := wireOf(r)
			if err := netlink.AddrDel(wire, single(a)); err != nil {
				return err
			}
			via := hostAddrs(to)[i].AsSlice()
			route := &netlink.Route{Dst: single(a).IPNet, Gw: via, LinkIndex: wire.Attrs().Index}
			return netlink.RouteReplace(route)
		}))
	}
}

func wireOf(r *rig) netlink.Link {
	link, err := netlink.LinkByName("eth0")
	r.must(err)
	return link
}

func single(a netip.Addr) *netlink.Addr {
	host := &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}
	return &netlink.Addr{IPNet: host, Flags: unix.IFA_F_NODAD}
}

const vipPort = 9000

// freeBind is for addresses that the host does not have.
func freeBind() *net.ListenConfig {
	return &net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		set := func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND,
				1)
		}
		return errors.Join(c.Control(set), err)
	}}
}

// echo counts what arrives at an address, which the host need not have yet, and sends it back.
func (r *rig) echo(t *testing.T, host string, at netip.Addr) *atomic.Int64 {
	var heard atomic.Int64
	var conn net.PacketConn
	r.must(r.InPod(host, func() (err error) {
		conn, err = freeBind().ListenPacket(t.Context(), "udp",
			netip.AddrPortFrom(at, vipPort).String())
		return err
	}))
	t.Cleanup(func() { conn.Close() })
	go func() {
		for buffer := make([]byte, 8); ; {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			heard.Add(1)
			_, _ = conn.WriteTo(buffer[:n], from)
		}
	}()
	return &heard
}

// dripInto sends numbers to an address until the test ends.
func (r *rig) dripInto(t *testing.T, pod string, to netip.Addr) {
	var conn net.Conn
	r.must(r.InPod(pod, func() (err error) {
		conn, err = net.Dial("udp", netip.AddrPortFrom(to, vipPort).String())
		return err
	}))
	t.Cleanup(func() { conn.Close() })
	go func() {
		for number := uint64(0); t.Context().Err() == nil; number++ {
			_, _ = conn.Write(binary.BigEndian.AppendUint64(nil, number))
			time.Sleep(beat)
		}
	}()
}
