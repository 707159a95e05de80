package sandbox_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/nft"
)

func (r *rig) sendFrames(from string, frames ...sandbox.Frame) {
	r.t.Helper()
	r.must(r.InPod(from, func() error {
		for _, f := range frames {
			if err := f.Send("eth0"); err != nil {
				return err
			}
		}
		return nil
	}))
}

func (r *rig) macOf(pod string) net.HardwareAddr { return r.mac(r.InPod, pod, "eth0") }

// macOfNode is that of the bridge of a node's pods.
func (r *rig) macOfNode(node string) net.HardwareAddr { return r.mac(r.InNode, node, "cni0") }

func (r *rig) mac(inside func(string, func() error) error, place, link string) (
	mac net.HardwareAddr) {
	r.t.Helper()
	r.must(inside(place, func() error {
		found, err := net.InterfaceByName(link)
		if err == nil {
			mac = found.HardwareAddr
		}
		return err
	}))
	return mac
}

// hears counts the packets that reach a pod or node with a mark in them.
func (r *rig) hears(podOrNode, mark string) *sandbox.Sniffer {
	r.t.Helper()
	s, err := r.Sniff(podOrNode, func(packet []byte) bool {
		return bytes.Contains(packet, []byte(mark))
	})
	r.must(err)
	r.t.Cleanup(func() { s.Close() })
	return s
}

// Ports of datagrams that tests make.
const (
	frameFrom = 12345
	frameTo   = 81
)

// marked is a UDP datagram of either family with a mark in it.
func marked(from, to netip.Addr, mark string) []byte {
	return datagram(netip.AddrPortFrom(from, frameFrom), netip.AddrPortFrom(to, frameTo), mark)
}

// markedReply is one that answers to a marked one.
func markedReply(from, to netip.Addr, mark string) []byte {
	return datagram(netip.AddrPortFrom(from, frameTo), netip.AddrPortFrom(to, frameFrom), mark)
}

// emptyDatagram is one to a port.
func emptyDatagram(from, to netip.Addr, port int) []byte {
	return datagram(netip.AddrPortFrom(from, frameFrom), netip.AddrPortFrom(to, uint16(port)), "")
}

// datagram is a packet with a UDP datagram.
func datagram(from, to netip.AddrPort, payload string) []byte {
	var udp []byte
	for _, field := range []uint16{from.Port(), to.Port(), uint16(8 + len(payload)), 0} {
		udp = binary.BigEndian.AppendUint16(udp, field)
	}
	return packetOf(from.Addr(), to.Addr(), unix.IPPROTO_UDP, append(udp, payload...))
}

// packetOf puts a header of the addresses' family before a payload. The checksum of UDP and ICMPv6
// is filled in.
func packetOf(from, to netip.Addr, proto byte, payload []byte) []byte {
	if at := map[byte]int{unix.IPPROTO_UDP: 6, unix.IPPROTO_ICMPV6: 2}[proto]; at > 0 {
		pseudo := append(append(from.AsSlice(), to.AsSlice()...), 0, proto, byte(len(payload)>>8),
			byte(len(payload)))
		sum := sumOf(append(pseudo, append(payload, 0)[:len(payload)+len(payload)%2]...))
		payload[at], payload[at+1] = byte(sum>>8), byte(sum)
	}
	if from.Is6() {
		header := []byte{0x60, 0, 0, 0, byte(len(payload) >> 8), byte(len(payload)), proto, 255}
		return append(append(append(header, from.AsSlice()...), to.AsSlice()...), payload...)
	}
	length := 20 + len(payload)
	header := append([]byte{0x45, 0, byte(length >> 8), byte(length), 0, 1, 0, 0, 64, proto, 0, 0},
		from.AsSlice()...)
	header = append(header, to.AsSlice()...)
	sum := sumOf(header)
	header[10], header[11] = byte(sum>>8), byte(sum)
	return append(header, payload...)
}

// awaitMark waits for a packet that is sent after others, which have then arrived, or never will.
func (r *rig) awaitMark(from, to string, n int) {
	r.t.Helper()
	mark := fmt.Sprintf("the end %d.", n)
	ear := r.hears(to, mark)
	source, target := r.pods[from].Addrs[0], r.pods[to].Addrs[0]
	for deadline := time.Now().Add(patience); ear.Count() == 0; time.Sleep(2 * time.Millisecond) {
		r.sendFrames(from, sandbox.Frame{To: r.macOf(to), Packet: marked(source, target, mark)})
		if time.Now().After(deadline) {
			r.t.Fatalf("what %s may send does not reach %s", from, to)
		}
	}
}

// subjects are pods of one node: a/cli may send to a/web, and by that policy to nobody else.
var subjects = setting{
	pods: trio + "\na/friend n1 app=friend",
	policies: []string{
		`a/out {podSelector: {matchLabels: {app: cli}}, policyTypes: [Egress], egress: [{to: [{podSelector: {matchLabels: {app: web}}}]}]}`,
	},
}

// forgery is a packet with a source that may not be the sender's.
type forgery struct {
	name   string
	source netip.Addr
	target netip.Addr // zero: that of the receiver
	to     string     // pod, or node
	passes bool       // it may arrive
}

func forgeries(r *rig) []forgery {
	nobody4, nobody6 := netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:7::7")
	own := r.pods["a/cli"].Addrs
	none4, none6, some6 := netip.IPv4Unspecified(), netip.IPv6Unspecified(),
		netip.MustParseAddr("fe80::bad")
	all4, all6 := netip.MustParseAddr("255.255.255.255"), netip.MustParseAddr("ff02::1")
	return []forgery{
		{name: "nobody's", source: nobody4, to: "a/friend"},
		{name: "nobody's, IPv6", source: nobody6, to: "a/friend"},
		{name: "nobody's, to whom it may send to", source: nobody4, to: "a/web"},
		{name: "nobody's, to whom it may send to, IPv6", source: nobody6, to: "a/web"},
		{name: "nobody's, to the world", source: nobody4, target: rigNodes()[0].Addrs[0],
			to: "out"},
		{name: "nobody's, to the world, IPv6", source: nobody6, target: rigNodes()[0].Addrs[1],
			to: "out"},
		{name: "nobody's, to all", source: nobody4, target: all4, to: "a/friend"},
		{name: "none, to all pods", source: none4, target: all4, to: "a/friend"},
		{name: "none, to all pods, IPv6", source: none6, target: all6, to: "a/friend"},
		{name: "none, to a pod", source: none4, to: "a/friend"},
		{name: "link-local, to all pods", source: some6, target: all6, to: "a/friend"},
		{name: "link-local, to a pod", source: some6, to: "a/friend"},
		{name: "none, to its node", source: none4, target: all4, to: "n1", passes: true},
		{name: "link-local, to its node", source: some6, target: all6, to: "n1", passes: true},
		{name: "its own", source: own[0], to: "a/web", passes: true},
		{name: "its own, IPv6", source: own[1], to: "a/web", passes: true},
	}
}

// send sends a forgery, with a mark.
func (f forgery) send(r *rig, mark string) {
	r.t.Helper()
	target, mac := f.target, net.HardwareAddr(nil)
	switch {
	case !target.IsValid():
		target, mac = alike(r.pods[f.to].Addrs, f.source), r.macOf(f.to)
	case f.to == "out":
		mac = r.macOfNode("n1")
	}
	r.sendFrames("a/cli", sandbox.Frame{To: mac, Packet: marked(f.source, target, mark)})
}

// What a subject of egress sends has one of its own sources, or goes nowhere; so has what any pod
// sends that is known where unknown ones are denied. The node itself may hear who has no address.
func TestSourceIsItsOwnOnRealPackets(t *testing.T) {
	needBridges(t)
	for name, o := range map[string]rigOptions{"subject of egress": {idle: true},
		"no subject, unknown pods are denied": {idle: true, strict: true}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, o)
			s := subjects
			if o.strict {
				s.policies = []string{`a/far {podSelector: {matchLabels: {app: far}}, ingress: []}`}
			}
			w := s.world(t)
			r.build(w)
			for i, f := range forgeries(r) {
				mark := fmt.Sprintf("open forgery %d.", i)
				ear := r.hears(f.to, mark)
				eventually(t, f.name+" arrives while nobody filters", func() bool {
					f.send(r, mark)
					return holdsWithin(silence, func() bool { return ear.Count() > 0 })
				})
			}
			r.restart(w, func() {})
			for i, f := range forgeries(r) {
				mark := fmt.Sprintf("forgery %d.", i)
				ear := r.hears(f.to, mark)
				f.send(r, mark)
				r.awaitMark("a/cli", "a/web", i)
				if f.passes { // another family can take another way
					poll(func() bool { return ear.Count() > 0 })
				}
				// A node hears a frame that the bridge does not let in, too: at the port.
				if heard, want := ear.Count(),
					map[bool]int{true: 2, false: 1}[f.passes]; f.to == "n1" && heard < want ||
					f.to != "n1" && (heard > 0) != f.passes {
					t.Errorf("a source that is %s: heard %d times, may pass: %t", f.name, heard,
						f.passes)
				}
			}
			r.check(w, "allow a/cli > a/web TCP 80\nallow a/cli > n1 TCP 80")
		})
	}
}

// What is no IP packet passes neither to a pod that is isolated nor from one whose sources are its
// own.
func TestOtherFramesOnRealPackets(t *testing.T) {
	needBridges(t)
	for isolated, policy := range map[string]string{
		"sender":   subjects.policies[0],
		"receiver": `a/in {podSelector: {matchLabels: {app: friend}}, ingress: []}`,
	} {
		t.Run(isolated, func(t *testing.T) {
			r := newRig(t, rigOptions{idle: true})
			s := subjects
			s.policies = []string{policy}
			w := s.world(t)
			r.build(w)
			strange := func(mark string) sandbox.Frame {
				return sandbox.Frame{To: r.macOf("a/friend"), Kind: 0x88b5, Packet: []byte(mark)}
			}
			before, after := r.hears("a/friend", "open strange."),
				r.hears("a/friend", "fenced strange.")
			r.sendFrames("a/cli", strange("open strange."))
			eventually(t, "it arrives while nobody filters", func() bool {
				return before.Count() > 0
			})
			r.start()
			r.tell(w)
			r.sendFrames("a/cli", strange("fenced strange."))
			r.awaitMark("a/cli", "a/web", 0)
			if after.Count() > 0 {
				t.Error("LEAK: a frame that is no packet arrives")
			}
		})
	}
}

// A pod can find out that a neighbour has its address, whatever policies say.
func TestDuplicateAddressIsFoundOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := subjects.world(t)
	r.become(w)
	target := r.pods["a/friend"].Addrs[1].As16()
	solicited := netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: target[13],
		14: target[14], 15: target[15]})
	solicitation := packetOf(netip.IPv6Unspecified(), solicited, unix.IPPROTO_ICMPV6,
		append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, target[:]...))
	answer, err := r.Sniff("a/cli", func(p []byte) bool {
		return len(p) >= 64 && p[0]>>4 == 6 && p[6] == unix.IPPROTO_ICMPV6 && p[40] == 136 &&
			bytes.Equal(p[48:64], target[:])
	})
	r.must(err)
	defer answer.Close()
	group := net.HardwareAddr{0x33, 0x33, 0xff, target[13], target[14], target[15]}
	r.sendFrames("a/cli", sandbox.Frame{To: group, Packet: solicitation})
	eventually(t, "the neighbour says that it has the address", func() bool {
		return answer.Count() > 0
	})
}

// With iptables, too, a pod that is known sends to its own node, and to what a proxy there passes on,
// from its own address only.
func TestForgedSourceToItsNodeOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{})
	w := subjects.world(t)
	r.become(w)
	for i, own := range r.pods["a/cli"].Addrs {
		node, others := r.addrsOf("n1")[i], r.pods["a/friend"].Addrs[i]
		var server net.PacketConn
		r.must(r.InNode("n1", func() (err error) {
			server, err = net.ListenPacket("udp", netip.AddrPortFrom(node, frameTo).String())
			return err
		}))
		defer server.Close()
		for n, source := range []netip.Addr{others, own} { // in this order they arrive
			r.sendFrames("a/cli", sandbox.Frame{To: r.macOfNode("n1"),
				Packet: marked(source, node, fmt.Sprint("to the node ", n))})
		}
		heard := make([]byte, 100)
		r.must(server.SetReadDeadline(time.Now().Add(patience)))
		length, from, err := server.ReadFrom(heard)
		if err != nil || string(heard[:length]) != "to the node 1" {
			t.Errorf("from %v the node hears %q, %v", from, heard[:length], err)
		}
	}
}

// A frame to one of the groups that bridges keep to themselves passes none of their hooks, and reaches
// the node as if its port were no port. No IP packet goes there: the node neither takes nor unpacks
// what a pod sends so, from whatever address.
func TestGroupsOfBridgesOnRealPackets(t *testing.T) {
	r := newRig(t, rigOptions{idle: true})
	w := subjects.world(t)
	r.build(w)
	r.must(r.InNode("n1", addVxlan))
	unpacked := r.listen("a/friend", 5002)
	heard := r.listen(hostOf("n1"), int(frameTo))
	node, own, others := r.addrsOf("n1"), r.pods["a/cli"].Addrs, r.pods["a/friend"].Addrs
	packets := [][]byte{marked(own[0], node[0], "own"), marked(own[1], node[1], "own"),
		marked(others[0], node[0], "another's"), marked(others[1], node[1], "another's"),
		datagram(netip.AddrPortFrom(own[0], frameFrom), netip.AddrPortFrom(node[0], vxlanPort),
			string(inVxlan(r.addrsOf("a/far")[0], others[0], 5002)))}
	groups := []byte{2, 3, 7, 14, 15}
	send := func() {
		for _, last := range groups {
			for _, packet := range packets {
				// The kernel takes the tag off.
				frame := sandbox.Frame{To: net.HardwareAddr{1, 0x80, 0xc2, 0, 0, last}, Packet: packet}
				tagged := frame
				tagged.Tags = 1
				r.sendFrames("a/cli", frame, tagged)
			}
		}
	}
	send()
	all := 2 * int64(len(groups))
	eventually(t, "all arrive while nobody filters", func() bool {
		return heard.Load() == 4*all && unpacked.Load() == all
	})
	r.start()
	r.tell(w)
	send()
	r.sendFrames("a/cli", sandbox.Frame{To: r.macOfNode("n1"), Packet: packets[0]})
	eventually(t, "what goes to the node's own interface arrives", func() bool {
		return heard.Load() > 4*all
	})
	r.check(w, "deny a/cli > out UDP 81")
	if heard.Load() != 4*all+1 || unpacked.Load() != all {
		t.Errorf("LEAK: of %d to groups the node takes %d more, and unpacks %d", all*int64(len(packets)),
			heard.Load()-4*all-1, unpacked.Load()-all)
	}
}

// Where pods have interfaces of their own, what one sends to its node is from its own address, too: a
// proxy there would pass it on as another's.
func TestForgedSourceByOwnLinkOnRealPackets(t *testing.T) {
	needNFTables(t, "features of nf_tables")
	for name, remove := range map[string]func(*nft.Features){
		"asked in input":      func(f *nft.Features) { f.Bridge = false },
		"asked in prerouting": func(f *nft.Features) { f.SourceInForward, f.Bridge = false, false },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, rigOptions{open: without(remove), idle: true})
			w := alone.world(t)
			r.build(w)
			heard := r.listen(hostOf("n1"), frameTo)
			node, own := r.addrsOf("n1"), r.pods["a/cli"].Addrs
			send := func() {
				for i, others := range r.pods["a/far"].Addrs {
					nobody := []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8:7::7")}
					for _, source := range []netip.Addr{others, nobody[i]} {
						r.sendFrames("a/cli", sandbox.Frame{To: r.macOfNode("n1"),
							Packet: marked(source, node[i], "forged")})
					}
				}
			}
			send()
			eventually(t, "all arrive while nobody filters", func() bool { return heard.Load() == 4 })
			r.start()
			r.tell(w)
			r.waitInForce()
			send()
			for i := range own {
				r.sendFrames("a/cli", sandbox.Frame{To: r.macOfNode("n1"),
					Packet: marked(own[i], node[i], "own")})
			}
			eventually(t, "its own arrive", func() bool { return heard.Load() >= 6 })
			if holdsWithin(silence, func() bool { return heard.Load() > 6 }) {
				t.Errorf("LEAK: %d of 4 from others' addresses arrive", heard.Load()-6)
			}
		})
	}
}
