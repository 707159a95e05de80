package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
)

// datagram is UDP, sealed with the checksum that its addresses ask for.
func datagram(from, to netip.AddrPort, data []byte) []byte {
	whole := binary.BigEndian.AppendUint16(nil, from.Port())
	whole = binary.BigEndian.AppendUint16(whole, to.Port())
	whole = binary.BigEndian.AppendUint16(whole, uint16(8+len(data)))
	whole = append(append(whole, 0, 0), data...)
	pseudo := append(from.Addr().AsSlice(), to.Addr().AsSlice()...)
	pseudo = binary.BigEndian.AppendUint16(append(pseudo, 0, unix.IPPROTO_UDP), uint16(len(whole)))
	binary.BigEndian.PutUint16(whole[6:], checksum(append(pseudo, whole...)))
	return whole
}

// checksum is that of RFC 1071.
func checksum(data []byte) uint16 {
	sum := uint32(0)
	for i, b := range data {
		sum += uint32(b) << (8 * (1 - i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// fragment is a part of the payload of an IP packet; offset is a multiple of 8.
type fragment struct {
	offset int
	last   bool
	data   []byte
}

// fragments divides a payload.
func fragments(payload []byte, size int) (all []fragment) {
	for at := 0; at < len(payload); at += size {
		end := min(at+size, len(payload))
		all = append(all, fragment{at, end == len(payload), payload[at:end]})
	}
	return all
}

// ipHeader is what a pod chooses of the header of an IP packet.
type ipHeader struct {
	from, to netip.Addr
	protocol byte
	id       uint16 // the same in all fragments of one payload
}

// packet is an IP packet with a fragment of a payload.
func (h ipHeader) packet(f fragment) []byte {
	if h.from.Is6() {
		return h.packet6(f)
	}
	where := uint16(f.offset / 8)
	if !f.last {
		where |= 1 << 13
	}
	head := binary.BigEndian.AppendUint16([]byte{0x45, 0}, uint16(20+len(f.data)))
	head = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(head, h.id), where)
	head = append(append(head, 64, h.protocol, 0, 0), h.from.AsSlice()...)
	head = append(head, h.to.AsSlice()...)
	binary.BigEndian.PutUint16(head[10:], checksum(head))
	return append(head, f.data...)
}

func (h ipHeader) packet6(f fragment) []byte {
	data, protocol := f.data, h.protocol
	if f.offset > 0 || !f.last {
		where := uint16(f.offset)
		if !f.last {
			where |= 1
		}
		extension := binary.BigEndian.AppendUint16([]byte{protocol, 0}, where)
		extension = binary.BigEndian.AppendUint32(extension, uint32(h.id))
		data, protocol = append(extension, data...), unix.IPPROTO_FRAGMENT
	}
	head := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(data)))
	head = append(append(head, protocol, 64), h.from.AsSlice()...)
	return append(append(head, h.to.AsSlice()...), data...)
}

// sendFrame sends an IP packet for a test pod in a frame to another one, behind some tags of VLAN
// 0, which whoever receives them takes off.
func (s *testbed) sendFrame(podName, target string, tags int, packet []byte) error {
	to, err := s.nextHop(podName, target)
	if err != nil {
		return err
	}
	frame := sandbox.Frame{To: to, Tags: tags, Packet: packet}
	if err := s.InPod(podOf(podName).Name, func() error { return frame.Send("eth0") }); err != nil {
		return fmt.Errorf("send a frame from %s: %w", podName, err)
	}
	return nil
}

// nextHop is the hardware address by which a test pod reaches another: that pod's own, or that of
// the bridge of its node.
func (s *testbed) nextHop(podName, target string) (mac net.HardwareAddr, err error) {
	inside, place, link := s.InPod, podOf(target).Name, "eth0"
	if node := podOf(podName).Node; node != podOf(target).Node {
		inside, place, link = s.InNode, node, "cni0"
	}
	err = inside(place, func() error {
		found, err := net.InterfaceByName(link)
		if err == nil {
			mac = found.HardwareAddr
		}
		return err
	})
	return mac, err
}
