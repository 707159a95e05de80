package sandbox_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
)

// thieves are ways by which a/cli may try to receive what a/friend and the node send to a/web.
var thieves = []struct {
	name  string
	steal func(r *rig)
	kept  bool // a/web goes on receiving
}{
	{"its neighbour's MAC address under its own address", func(r *rig) {
		own := r.pods["a/cli"].Addrs
		for _, a := range own {
			to := netip.MustParseAddr("ff02::1")
			if a.Is4() {
				to = netip.MustParseAddr("224.0.0.1")
			}
			r.sendFrames("a/cli", sandbox.Frame{From: r.macOf("a/web"),
				Packet: marked(a, to, "theft")})
		}
	}, true},
	{"its neighbour's MAC address in a frame of any kind", func(r *rig) {
		r.sendFrames("a/cli", sandbox.Frame{From: r.macOf("a/web"), Kind: 0x88b5,
			Packet: []byte("theft")})
	}, true},
	{"a neighbour advertisement", func(r *rig) {
		target := r.pods["a/web"].Addrs[1].As16()
		body := append(append([]byte{136, 0, 0, 0, 0x20, 0, 0, 0}, target[:]...),
			append([]byte{2, 1}, r.macOf("a/cli")...)...)
		to := netip.MustParseAddr("ff02::1")
		r.sendFrames("a/cli", sandbox.Frame{Packet: packetOf(r.pods["a/cli"].Addrs[1], to,
			unix.IPPROTO_ICMPV6, body)})
	}, false},
}

// What is for a pod does not reach another one, whatever that has sent, and the pod goes on
// receiving; but who forges neighbour advertisements can keep IPv6 from its neighbours.
func TestThiefOnRealPackets(t *testing.T) {
	needBridges(t)
	for _, thief := range thieves {
		t.Run(thief.name, func(t *testing.T) {
			r := newRig(t, rigOptions{idle: true})
			s := subjects
			s.policies = []string{`a/far {podSelector: {matchLabels: {app: far}}, ingress: [{}]}`}
			w := s.world(t)
			r.build(w)
			stolen, _, _ := r.theft(thief.steal, "open theft.")
			if stolen == 0 {
				t.Fatal("nothing is stolen while nobody filters")
			}
			r.start()
			r.tell(w)
			// what the bridge learnt before is forgotten
			r.must(r.writeUDP("a/web", r.pods["a/friend"].Addrs[0], "here"))
			stolen, kept, sent := r.theft(thief.steal, "fenced theft.")
			if stolen > 0 {
				t.Errorf("LEAK: %d of %d reach another pod", stolen, sent)
			}
			if thief.kept && kept < sent {
				t.Errorf("BREAK: %d of %d reach their pod", kept, sent)
			}
		})
	}
}

// theft lets a/friend and the node send to a/web, over and over, while a/cli steals. It counts what
// each receives.
func (r *rig) theft(steal func(*rig), mark string) (stolen, kept, sent int) {
	r.t.Helper()
	thief, victim := r.hears("a/cli", mark), r.hears("a/web", mark)
	for i := range 20 {
		for _, to := range r.pods["a/web"].Addrs {
			r.must(r.writeUDP("a/friend", to, fmt.Sprint(mark, i)))
			r.must(r.writeUDP("host/n1", to, fmt.Sprint(mark, i)))
			sent += 2
		}
		time.Sleep(2 * time.Millisecond)
		steal(r)
	}
	holdsWithin(silence, func() bool { return victim.Count() >= sent })
	return thief.Count(), victim.Count(), sent
}

// writeUDP sends a datagram through the kernel of a pod.
func (r *rig) writeUDP(from string, to netip.Addr, text string) error {
	return r.InPod(from, func() error {
		conn, err := new(net.Dialer).DialContext(context.Background(), "udp",
			netip.AddrPortFrom(to, 81).String())
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte(text))
		return err
	})
}

// What the bridge sends to all its ports, since it has forgotten where a pod is, reaches that pod
// alone.
func TestFloodOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{idle: true})
	w := subjects.world(t)
	r.build(w)
	flood := func(mark string) (others int) {
		stranger, pod := r.hears("a/cli", mark), r.hears("a/web", mark)
		r.must(r.InNode("n1", func() error { return forget(r.macOf("a/web")) }))
		packet := marked(r.pods["a/friend"].Addrs[0], r.pods["a/web"].Addrs[0], mark)
		r.sendFrames("a/friend", sandbox.Frame{To: r.macOf("a/web"), Packet: packet})
		eventually(t, "it arrives", func() bool { return pod.Count() > 0 })
		holdsWithin(silence, func() bool { return false })
		return stranger.Count()
	}
	wantFlood(t, flood)
	r.start()
	r.tell(w)
	if flood("fenced flood.") > 0 {
		t.Error("LEAK: it reaches another pod, too")
	}
}

// wantFlood sees to it that what is flooded reaches others while nobody filters. What the pod's kernel
// says of itself can teach the bridge again before the frame is there.
func wantFlood(t *testing.T, flood func(mark string) (others int)) {
	t.Helper()
	for n := range 10 {
		if flood(fmt.Sprintf("open flood %d.", n)) > 0 {
			return
		}
	}
	t.Fatal("no flood while nobody filters")
}

// forget lets the bridges of the calling thread's namespace forget where a MAC address is.
func forget(mac net.HardwareAddr) error {
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	for _, l := range links {
		entry := netlink.Neigh{LinkIndex: l.Attrs().Index, Family: unix.AF_BRIDGE,
			Flags: netlink.NTF_MASTER, HardwareAddr: mac}
		if l.Attrs().MasterIndex != 0 {
			_ = netlink.NeighDel(&entry) // it is at one of them
		}
	}
	return nil
}

// Who everything may reach is reached by multicast and broadcast, too, once a policy says so.
func TestEverythingAllowedIsNotFencedOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	world := func(ingress string) setting {
		return setting{pods: trio, policies: []string{
			`a/in {podSelector: {matchLabels: {app: web}}, ingress: ` + ingress + `}`}}
	}
	ways := map[string]netip.Addr{
		"multicast, IPv4":         netip.MustParseAddr("224.0.0.1"),
		"multicast, IPv6":         netip.MustParseAddr("ff02::1"),
		"broadcast":               netip.MustParseAddr("255.255.255.255"),
		"broadcast on the subnet": netip.MustParseAddr("10.244.1.255"),
	}
	for _, ingress := range []string{`[]`, `[{}]`, `[{ports: [{port: 81, protocol: UDP}]}]`,
		`[{ports: [{port: 7}]}, {}]`} {
		w := world(ingress).world(t)
		r.become(w)
		for name, to := range ways {
			mark := fmt.Sprintf("%s %s.", ingress, name)
			ear := r.hears("a/web", mark)
			from := alike(r.pods["a/cli"].Addrs, to)
			r.sendFrames("a/cli", sandbox.Frame{Packet: marked(from, to, mark)})
			if want := ingress == `[{}]` || ingress == `[{ports: [{port: 7}]}, {}]`; holdsWithin(
				silence, func() bool {
					return ear.Count() > 0
				}) != want {
				t.Errorf("ingress %s: %s arrives: %t, want %t", ingress, name, !want, want)
			}
		}
	}
}
