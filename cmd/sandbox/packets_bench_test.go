package sandbox_test

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/controller/graph"
)

// BenchmarkCut is a policy that forbids 500 of 1,000 connections of a node whose conntrack holds
// 100,000: from the event to the last of them cut, and to the first event after it that the kernel
// holds.
func BenchmarkCut(b *testing.B) {
	r := newRig(b, rigOptions{})
	w := talkers.world(b)
	r.become(w)
	server := r.pods["a/near"].Addrs[0]
	for i := range 100_000 {
		to := netip.MustParseAddr("192.0.2.1")
		if i < 1000 {
			to = server
		}
		r.remember("n1", r.pods[[]string{"a/cli", "a/twin"}[i%2]].Addrs[0], uint16(1024+i/2), to)
	}
	narrowed := changedWorld(b, w, narrowings[0].do)
	a := r.agents["n1"]
	var next, all time.Duration
	for b.Loop() {
		began := time.Now()
		r.send(r.news(narrowed)...)
		r.must(r.await(a, 1))
		all += time.Since(began)
		began = time.Now()
		r.feed(graph.NamespaceGone{Name: "nobody"})
		next += time.Since(began)
		r.send(r.news(w)...)
		r.must(r.await(a, 0))
	}
	b.ReportMetric(float64(all.Milliseconds())/float64(b.N), "cut-ms/op")
	b.ReportMetric(float64(next.Milliseconds())/float64(b.N), "next-event-ms/op")
}

// BenchmarkDeniedPacket is a datagram that a pod sends to another of its node, for which the
// other's policy has some ranges of ports, all for somebody else: all that the kernel does until it
// is dropped.
func BenchmarkDeniedPacket(b *testing.B) {
	for _, count := range []int{1, 10, 100, 1000, 6000} {
		b.Run(fmt.Sprintf("ranges=%d", count), func(b *testing.B) {
			r := newRig(b, rigOptions{})
			policy := fmt.Sprintf("a/in {podSelector: {matchLabels: {app: web}}, ingress: [%s]}",
				ranges("from", count))
			r.become(setting{pods: trio, policies: []string{policy}}.world(b))
			var conn net.Conn
			r.must(r.InPod("a/cli", func() (err error) {
				conn, err = net.Dial("udp", net.JoinHostPort(r.pods["a/web"].Addrs[0].String(),
					"40000"))
				return err
			}))
			defer conn.Close()
			for b.Loop() {
				_, _ = conn.Write([]byte("knock"))
			}
		})
	}
}

// remember gives a node's conntrack an established connection to port 80.
func (r *rig) remember(node string, from netip.Addr, port uint16, to netip.Addr) {
	flow := &netlink.ConntrackFlow{
		FamilyType: unix.AF_INET, TimeOut: 3600, ProtoInfo: &netlink.ProtoInfoTCP{
			State: nl.TCP_CONNTRACK_ESTABLISHED},
		Forward: netlink.IPTuple{SrcIP: from.AsSlice(), DstIP: to.AsSlice(), SrcPort: port,
			DstPort: 80, Protocol: unix.IPPROTO_TCP},
		Reverse: netlink.IPTuple{SrcIP: to.AsSlice(), DstIP: from.AsSlice(), SrcPort: 80,
			DstPort: port, Protocol: unix.IPPROTO_TCP},
	}
	r.must(r.InNode(node, func() error {
		return netlink.ConntrackCreate(netlink.ConntrackTable,
			unix.AF_INET, flow)
	}))
}

// await waits until a node has so many cuts.
func (r *rig) await(a *agent, count int) error {
	for {
		cuts, err := a.tap.Cuts(r.t.Context())
		if err != nil || cuts.Len() == count {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}
