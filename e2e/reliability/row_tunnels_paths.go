package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
)

// tunnelPath is how a pod or a node tries to reach a pod through a tunnel that a node unpacks.
type tunnelPath struct {
	name      string
	from      origin
	to        []netip.Addr // of a node, by family
	packed    packed       // in vxlan
	protocol  int          // that a node unpacks instead, without anything in it; 0: vxlan
	permitted bool
}

// origin is where a path begins.
type origin struct {
	name string
	node bool
}

// packed is whose address a packed datagram bears, and for whom it is. The targets let clients in;
// no policy selects free.
type packed struct{ source, target string }

func (p packed) String() string { return p.source + " to " + p.target }

// tunnelTarget is a pod of a node that lets clients in, and that nothing else is sent to.
func tunnelTarget(node int) testPod {
	return testPod{fmt.Sprintf("target%d", node), "tunnel-target",
		node, 60}
}

// tunnelNode is a node that unpacks, and who tries to use it.
type tunnelNode struct {
	node      sandbox.Node
	bridge    []netip.Addr // by family
	senders   []string     // pods of this node and of the other
	stolen    []packed     // what they pack
	neighbour string       // the other node
	own       packed       // what that packs: with an address of its pod
	forged    packed       // likewise, with one of a pod of the node that unpacks
}

func tunnelNodes() []tunnelNode {
	return []tunnelNode{
		{nodes()[0], addrs(1, 1), []string{"alien", "rogue"},
			[]packed{{"far", "target1"}, {"near", "target1"}, {"rogue", "free"}},
			"n2", packed{"far", "target1"}, packed{"near", "target1"}},
		{nodes()[1], addrs(2, 1), []string{"caged", "alien"},
			[]packed{{"near", "target2"}, {"far", "target2"}},
			"n1", packed{"near", "target2"}, packed{"far", "target2"}},
	}
}

// tunnelPaths lists them, those that are permitted last.
func tunnelPaths() []tunnelPath {
	var refused, permitted []tunnelPath
	for _, u := range tunnelNodes() {
		neighbour := origin{u.neighbour, true}
		for _, sender := range u.senders {
			for _, p := range u.stolen {
				refused = append(refused,
					tunnelPath{from: origin{name: sender}, to: u.node.Addrs, packed: p},
					tunnelPath{from: origin{name: sender}, to: u.bridge, packed: p})
			}
			for _, protocol := range []int{unix.IPPROTO_IPIP, unix.IPPROTO_IPV6, unix.IPPROTO_GRE} {
				refused = append(refused, tunnelPath{from: origin{name: sender}, to: u.node.Addrs,
					protocol: protocol})
			}
		}
		refused = append(refused, tunnelPath{from: neighbour, to: u.node.Addrs, packed: u.forged})
		permitted = append(permitted,
			tunnelPath{from: neighbour, to: u.node.Addrs, packed: u.own, permitted: true},
			tunnelPath{from: neighbour, to: u.node.Addrs, protocol: unix.IPPROTO_GRE,
				permitted: true})
	}
	all := append(refused, permitted...)
	for i := range all {
		all[i].name = all[i].describe()
	}
	return all
}

func (w tunnelPath) describe() string {
	if w.protocol != 0 {
		return fmt.Sprintf("protocol %d from %s to %s", w.protocol, w.from.name, w.to[0])
	}
	return fmt.Sprintf("vxlan from %s to %s, packed %s", w.from.name, w.to[0], w.packed)
}

// tries is how often a packet goes each path, in each family.
const tries = 2

// packets is how many a path takes: what is packed has each family within each.
func (w tunnelPath) packets() int {
	if w.protocol != 0 {
		return 2 * tries
	}
	return 4 * tries
}

// enter runs f at the origin.
func (p origin) enter(s *testbed, f func() error) error {
	if p.node {
		return s.InNode(p.name, f)
	}
	return s.InPod(podOf(p.name).Name, f)
}

// send sends the packets of a path, with a socket each, from its origin.
func (w tunnelPath) send(port int, flow string) error {
	for n := range w.packets() {
		data, outer := numbered(flow, n, true), n&1
		err := error(nil)
		if w.protocol != 0 {
			err = sendProtocol(w.to[outer], w.protocol, data)
		} else {
			err = sendVxlan(netip.AddrPortFrom(w.to[outer], uint16(port)),
				w.packed.frame(n>>1&1, data))
		}
		if err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	return nil
}

// tunnelMAC is the hardware address of every node's tunnels.
var tunnelMAC = [6]byte{2, 0, 0, 0, 0x84, 0x72}

// frame is the datagram as a tunnel carries it.
func (p packed) frame(family int, data []byte) []byte {
	source, target := addrsOfPod(p.source)[family], addrsOfPod(p.target)[family]
	payload := datagram(netip.AddrPortFrom(source, 4000), netip.AddrPortFrom(target, 80), data)
	kind := [][]byte{{0x08, 0x00}, {0x86, 0xdd}}[family]
	frame := append(append(slices.Clone(tunnelMAC[:]), 2, 0, 0, 0, 0, 9), kind...)
	header := ipHeader{from: source, to: target, protocol: unix.IPPROTO_UDP}
	return append(frame, header.packet(fragment{0, true, payload})...)
}

// sendVxlan sends a frame in network 1 (RFC 7348).
func sendVxlan(to netip.AddrPort, frame []byte) error {
	conn, err := net.Dial("udp", to.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write(append([]byte{8, 0, 0, 0, 0, 0, 1, 0}, frame...))
	return err
}

func sendProtocol(to netip.Addr, protocol int, data []byte) error {
	family, addr := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte(to.AsSlice())})
	if to.Is6() {
		family, addr = unix.AF_INET6, &unix.SockaddrInet6{Addr: to.As16()}
	}
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	return os.NewSyscallError("sendto", unix.Sendto(fd, data, 0, addr))
}
