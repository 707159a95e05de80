package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// tunnelPorts are where tunnels are, by turns: flannel's, and the one that IANA has given to vxlan.
var tunnelPorts = [2]int{8472, 4789}

// makeTunnels makes devices like flannel's on all nodes, one for each family that carries, in place
// of those that are there.
func (s *testbed) makeTunnels(port int) error {
	for _, n := range nodes() {
		for family, name := range []string{"flannel.1", "flannel-v6.1"} {
			attrs := netlink.NewLinkAttrs()
			attrs.Name, attrs.HardwareAddr = name, tunnelMAC[:]
			device := &netlink.Vxlan{LinkAttrs: attrs, VxlanId: 1, Port: port,
				SrcAddr: n.Addrs[family].AsSlice()}
			if err := s.InNode(n.Name, func() error { return replaceLink(device) }); err != nil {
				return fmt.Errorf("make %s on %s: %w", name, n.Name, err)
			}
		}
	}
	return nil
}

// replaceLink makes an interface in place of the one that has its name, if there is one.
func replaceLink(l netlink.Link) error {
	old, err := netlink.LinkByName(l.Attrs().Name)
	if err == nil {
		err = netlink.LinkDel(old)
	}
	if err != nil && !errors.As(err, new(netlink.LinkNotFoundError)) {
		return err
	}
	if err := netlink.LinkAdd(l); err != nil {
		return err
	}
	return netlink.LinkSetUp(l)
}

// protocolListener counts what arrives at the nodes in protocols that carry packets.
type protocolListener struct {
	sockets []net.PacketConn
	mu      sync.Mutex // guards counts
	counts  map[string]int
}

// listenForProtocols listens on all nodes.
func (s *testbed) listenForProtocols() (*protocolListener, error) {
	e := &protocolListener{counts: map[string]int{}}
	for _, n := range nodes() {
		for _, protocol := range []int{unix.IPPROTO_IPIP, unix.IPPROTO_IPV6, unix.IPPROTO_GRE} {
			for _, family := range []int{unix.AF_INET, unix.AF_INET6} {
				if err := s.InNode(n.Name,
					func() error { return e.listen(family, protocol) }); err != nil {
					return e, fmt.Errorf("listen for protocol %d on %s: %w", protocol, n.Name, err)
				}
			}
		}
	}
	return e, nil
}

func (e *protocolListener) listen(family, protocol int) error {
	fd, err := unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	file := os.NewFile(uintptr(fd), "raw")
	defer file.Close()
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return err
	}
	e.sockets = append(e.sockets, conn)
	go e.receive(conn)
	return nil
}

// receive counts by the flow that a packet names in its last 25 bytes; see numbered.
func (e *protocolListener) receive(conn net.PacketConn) {
	for data := make([]byte, 2048); ; {
		n, _, err := conn.ReadFrom(data)
		if err != nil {
			return
		}
		if n < 25 {
			continue
		}
		flow, _, _ := strings.Cut(string(data[n-25:n-9]), "\x00")
		e.mu.Lock()
		e.counts[flow]++
		e.mu.Unlock()
	}
}

func (e *protocolListener) count(flow string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.counts[flow]
}

func (e *protocolListener) close() {
	for _, conn := range e.sockets {
		_ = conn.Close()
	}
}
