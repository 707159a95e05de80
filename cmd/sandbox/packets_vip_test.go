package sandbox_test

import (
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

const vip = "10.88.0.1"

// A flow to an address of the pod's own node was never decided about. Where the address moves to
// another node it is: it ends if the pod may not send there, and goes on if it may.
func TestAddressThatLeavesItsNodeOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	s := setting{
		pods:     "a/shut n1\na/free n1",
		policies: []string{`a/p {podSelector: {matchLabels: {app: shut}}, policyTypes: [Egress]}`},
	}
	w := s.world(t)
	w.Pods[0].Labels["app"] = "shut"
	r.become(w)
	r.must(r.InNode("n1", func() error { return raiseOnLoopback(vip) }))
	shut, free := newEcho(r, "a/shut", "7000"), newEcho(r, "a/free", "7001")
	eventually(t, "both hear their own node", func() bool {
		return shut.heard.Load() > 5 &&
			free.heard.Load() > 5
	})
	r.must(r.InNode("n2", func() error { return raiseOnLoopback(vip) }))
	shut.serve(r, hostOf("n2"))
	free.serve(r, hostOf("n2"))
	r.must(r.InNode("n1", func() error {
		return errors.Join(dropFromLoopback(vip),
			routeBy(vip, "10.77.0.12"))
	}))
	eventually(t, "the free pod is heard by the other node",
		func() bool { return free.served.Load() > 5 })
	eventually(t, "the isolated pod is not", func() bool {
		before := shut.served.Load()
		time.Sleep(100 * time.Millisecond)
		return shut.served.Load() == before
	})
	if before := free.served.Load(); !poll(func() bool { return free.served.Load() > before+5 }) {
		t.Error("the free pod is heard no more")
	}
}

// echo is a UDP flow of a pod to the address, at which somebody answers everything.
type echo struct {
	port   string
	heard  atomic.Int64 // answers
	served atomic.Int64 // questions that arrived at the server which was started last
}

func newEcho(r *rig, client, port string) *echo {
	e := &echo{port: port}
	e.serve(r, hostOf("n1"))
	var conn net.Conn
	r.must(r.InPod(client, func() (err error) {
		conn, err = net.Dial("udp", net.JoinHostPort(vip, port))
		return err
	}))
	r.t.Cleanup(func() { conn.Close() })
	go new(stream).talk(conn)
	go func() {
		for buffer := make([]byte, 8); ; {
			if _, err := conn.Read(buffer); errors.Is(err, net.ErrClosed) {
				return
			} else if err == nil {
				e.heard.Add(1)
			}
		}
	}()
	return e
}

func (e *echo) serve(r *rig, host string) {
	var conn net.PacketConn
	r.must(r.InPod(host, func() (err error) {
		conn, err = net.ListenPacket("udp", net.JoinHostPort(vip, e.port))
		return err
	}))
	r.t.Cleanup(func() { conn.Close() })
	e.served.Store(0)
	go func() {
		for buffer := make([]byte, 8); ; {
			_, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if host != hostOf("n1") {
				e.served.Add(1)
			}
			_, _ = conn.WriteTo(buffer, from)
		}
	}()
}

func raiseOnLoopback(addr string) error {
	return eachLoopback(addr, netlink.AddrAdd)
}

func dropFromLoopback(addr string) error {
	return eachLoopback(addr, netlink.AddrDel)
}

func eachLoopback(addr string, do func(netlink.Link, *netlink.Addr) error) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	a, err := netlink.ParseAddr(addr + "/32")
	if err != nil {
		return err
	}
	return do(lo, a)
}

// routeBy routes an address by a gateway.
func routeBy(addr, gateway string) error {
	to, by := netip.MustParseAddr(addr), netip.MustParseAddr(gateway)
	ways, err := netlink.RouteGet(by.AsSlice())
	if err != nil {
		return err
	}
	return netlink.RouteAdd(&netlink.Route{LinkIndex: ways[0].LinkIndex, Gw: by.AsSlice(),
		Dst: netlink.NewIPNet(to.AsSlice())})
}
