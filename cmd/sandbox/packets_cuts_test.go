package sandbox_test

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// chatter is a client that speaks to many ports of a server once, from one of its own, and counts
// what they send from then on.
type chatter struct {
	heard atomic.Int64
	conn  net.PacketConn
}

// chat opens as many flows as there are ports from first on.
func (r *rig) chat(t *testing.T, client string, server netip.Addr, serverPod string, first,
	ports int) *chatter {
	c := &chatter{}
	r.must(r.InPod(client, func() (err error) {
		c.conn, err = net.ListenPacket("udp", netip.AddrPortFrom(r.pods[client].Addrs[0],
			0).String())
		return err
	}))
	t.Cleanup(func() { c.conn.Close() })
	var servers []net.PacketConn
	r.must(r.InPod(serverPod, func() error {
		for port := first; port < first+ports; port++ {
			conn, err := net.ListenPacket("udp", netip.AddrPortFrom(server, uint16(port)).String())
			if err != nil {
				return err
			}
			servers = append(servers, conn)
			t.Cleanup(func() { conn.Close() })
			// The server speaks after the client, or the connection would be the server's.
			if err := firstWord(c.conn, conn); err != nil {
				return err
			}
		}
		return nil
	}))
	// The machine has other things to do than to carry all of this.
	pause := max(beat, speed.Wait(time.Duration(ports)*100*time.Microsecond))
	go func() {
		for t.Context().Err() == nil {
			for _, s := range servers {
				_, _ = s.WriteTo([]byte("news"), c.conn.LocalAddr())
			}
			time.Sleep(pause)
		}
	}()
	go func() {
		for buffer := make([]byte, 8); ; c.heard.Add(1) {
			if _, _, err := c.conn.ReadFrom(buffer); err != nil {
				return
			}
		}
	}()
	return c
}

// firstWord has a client speak until a server hears it.
func firstWord(client, server net.PacketConn) (err error) {
	poll(func() bool {
		if _, err = client.WriteTo([]byte("hello"), server.LocalAddr()); err != nil {
			return false
		}
		if err = server.SetReadDeadline(time.Now().Add(beat)); err != nil {
			return false
		}
		_, _, err = server.ReadFrom(make([]byte, 8))
		return err == nil
	})
	return err
}

// falls waits until the count stays as it is, and returns it.
func falls(t *testing.T, count *atomic.Int64) {
	t.Helper()
	last, since := int64(-1), time.Now()
	if !poll(func() bool {
		if now := count.Load(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > cutWithin/10
	}) {
		t.Errorf("goes on: %d", last)
	}
}

// A client has more flows than are cut one by one, all to servers that go on speaking. All fall
// silent, those of others go on, and what is cut is bounded, in the kernel too.
func TestMoreFlowsThanAreCutOnRealPackets(t *testing.T) {
	r, forbidden, permitted := openRig(t)
	near, flows := r.pods["a/near"], 1500
	many := r.chat(t, "a/cli", near.Addrs[0], "a/near", 20000, flows)
	few := r.chat(t, "a/twin", near.Addrs[0], "a/near", 10000, 10)
	eventually(t, "they hear", func() bool {
		return many.heard.Load() > int64(2*flows) && few.heard.Load() > 100
	})
	first := r.told
	r.tell(changedWorld(t, first, narrowings[0].do))
	falls(t, &many.heard)
	stayCut(t, forbidden)
	r.forgetConnections()
	falls(t, &many.heard)
	before := few.heard.Load()
	eventually(t, "others go on", func() bool { return few.heard.Load() > before+100 })
	goOn(t, permitted)
	cuts, err := r.agents["n1"].tap.Cuts(t.Context())
	r.must(err)
	const protocols = 3 // of each the client is listed
	if len(cuts.Flows) > 1024+len(forbidden) || len(cuts.Clients) > protocols {
		t.Errorf("%d flows are cut, and clients %v", len(cuts.Flows), cuts.Clients)
	}
	r.tell(first)
	// Those of which only the server talks conntrack has forgotten, and it takes up no association of
	// SCTP from its middle: of a client that is listed these begin anew.
	goOn(t, slices.DeleteFunc(forbidden, func(s *stream) bool {
		return s.serverTalks || s.proto == ruleset.SCTP
	}))
}

// Why a cut of UDP can be forgotten with its entry: what is cut keeps the entry alive, since
// conntrack comes first. When it is gone nobody has spoken for as long as conntrack remembers
// anything.
func TestWhatIsCutKeepsItsEntryOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.become(talkers.world(t))
	near := r.pods["a/near"].Addrs[0]
	for _, name := range []string{"nf_conntrack_udp_timeout", "nf_conntrack_udp_timeout_stream"} {
		short := func() error {
			return os.WriteFile("/proc/sys/net/netfilter/"+name, []byte("1"),
				0)
		}
		r.must(r.InNode("n1", short))
	}
	c := r.chat(t, "a/cli", near, "a/near", 20000, 1)
	eventually(t, "it hears", func() bool { return c.heard.Load() > 10 })
	r.tell(changedWorld(t, r.told, narrowings[0].do))
	falls(t, &c.heard)
	time.Sleep(3 * time.Second) // several times what conntrack remembers
	if entries := r.entries("n1", c.conn.LocalAddr()); entries != 1 {
		t.Errorf("while its server speaks there are %d entries", entries)
	}
}

// entries counts what conntrack of a node has of a client.
func (r *rig) entries(node string, client net.Addr) (count int) {
	port := client.(*net.UDPAddr).AddrPort()
	r.must(r.InNode(node, func() error {
		flows, err := netlink.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
		for _, f := range flows {
			if f.Forward.SrcPort == port.Port() && f.Forward.SrcIP.Equal(port.Addr().AsSlice()) {
				count++
			}
		}
		return err
	}))
	return count
}

// What is cut stays so where its packets leave the node by output: here a process of the node
// speaks for the pod.
func TestCutByOutputOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	r.become(talkers.world(t))
	client, server := r.pods["a/cli"].Addrs, r.pods["a/near"].Addrs
	heard := map[netip.Addr]*atomic.Int64{}
	for i, a := range server {
		heard[a] = r.echo(t, "a/near", a)
		conn := r.speakFor(t, hostOf("n1"), client[i])
		go func() {
			for t.Context().Err() == nil {
				_, _ = conn.WriteTo([]byte("for it"),
					net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, vipPort)))
				time.Sleep(beat)
			}
		}()
		eventually(t, "the server hears", func() bool { return heard[a].Load() > 10 })
	}
	r.tell(changedWorld(t, r.told, narrowings[0].do))
	for _, count := range heard {
		falls(t, count)
	}
}

// speakFor opens a socket of a host that sends with an address of somebody else.
func (r *rig) speakFor(t *testing.T, host string, a netip.Addr) (conn net.PacketConn) {
	level, option := unix.SOL_IP, unix.IP_TRANSPARENT
	if a.Is6() {
		level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		set := func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) }
		return errors.Join(c.Control(set), err)
	}}
	r.must(r.InPod(host, func() (err error) {
		conn, err = config.ListenPacket(t.Context(), "udp", netip.AddrPortFrom(a, 40000).String())
		return err
	}))
	t.Cleanup(func() { conn.Close() })
	return conn
}
