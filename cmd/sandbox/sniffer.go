package sandbox

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Sniffer counts packets that pass a pod or node.
type Sniffer struct {
	socket *os.File
	count  atomic.Int64
	done   chan struct{}
	close  func() error
}

// Sniff starts to count those packets for which the filter is true. A packet is
// what follows the Ethernet header: an IPv4 or IPv6 packet, or ARP, which starts
// with a zero byte. In a pod (by name, or else it is a node's name) each packet
// passes once (twice on lo); on a node once per interface that it crosses, the bridge included.
// What arrives is seen before the firewall of that place, what leaves after it.
// The filter runs on a goroutine of the sniffer's and must not keep the packet.
func (c *Cluster) Sniff(podOrNode string, filter func(packet []byte) bool) (*Sniffer, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	namespace, closers, err := c.find(podOrNode)
	if err != nil {
		return nil, err
	}
	s, err := newSniffer(namespace)
	if err != nil {
		return nil, fmt.Errorf("sniff %s: %w", podOrNode, err)
	}
	go s.run(filter)
	*closers = append(*closers, s)
	return s, nil
}

// find returns the namespace and the closers of a pod, or else of a node.
func (c *Cluster) find(name string) (*namespace, *closers, error) {
	if p, err := c.pod(name); err == nil {
		return p.namespace, &p.closers, nil
	}
	if n, err := c.node(name); err == nil {
		return n.namespace, &n.closers, nil
	}
	return nil, nil, fmt.Errorf("pod or node %s: %w", name, ErrNotFound)
}

// newSniffer opens a packet socket for all interfaces and protocols of a namespace. Its packets
// come without the Ethernet header (SOCK_DGRAM in packet(7)).
func newSniffer(at *namespace) (*Sniffer, error) {
	s := &Sniffer{done: make(chan struct{})}
	s.close = sync.OnceValue(func() error {
		err := s.socket.Close()
		<-s.done
		return err
	})
	return s, at.ns.Do(func() error {
		kind := unix.SOCK_DGRAM | unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
		fd, err := unix.Socket(unix.AF_PACKET, kind, int(networkOrder(unix.ETH_P_ALL)))
		s.socket = os.NewFile(uintptr(fd), "sniffer")
		return os.NewSyscallError("socket", err)
	})
}

// run ends with the socket. An interface that goes down is reported once and
// does not end it; nor does any other passing failure.
func (s *Sniffer) run(filter func([]byte) bool) {
	defer close(s.done)
	buffer := make([]byte, 1<<16)
	for {
		n, err := s.socket.Read(buffer)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err == nil && filter(buffer[:n]) {
			s.count.Add(1)
		}
	}
}

// Count is how many packets passed the filter so far.
func (s *Sniffer) Count() int { return int(s.count.Load()) }

// Close stops counting; Count keeps its value. Closing again does nothing.
func (s *Sniffer) Close() error { return s.close() }

// networkOrder is htons.
func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}
