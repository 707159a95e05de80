package sandbox

import (
	"encoding/binary"
	"net"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// Frame is an Ethernet frame that whoever has raw sockets may send.
type Frame struct {
	To, From net.HardwareAddr // nil: everybody, or the interface that sends it
	Tags     int              // how many tags of VLAN 0 come first; receivers remove them
	Kind     uint16           // EtherType; zero: that of the packet, IPv4 or IPv6
	Packet   []byte
}

// etherTypes are the EtherTypes of IP by its version.
var etherTypes = map[byte]uint16{4: unix.ETH_P_IP, 6: unix.ETH_P_IPV6}

// vlan0 is a tag (IEEE 802.1Q) of no VLAN.
var vlan0 = []byte{0x81, 0, 0, 0}

// everybody is the address of all on a segment.
var everybody = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

// Send sends the frame by an interface of the calling thread's namespace.
func (f Frame) Send(by string) error {
	link, err := net.InterfaceByName(by)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	to := &unix.SockaddrLinklayer{Ifindex: link.Index}
	return os.NewSyscallError("sendto", unix.Sendto(fd, f.bytes(link.HardwareAddr), 0, to))
}

// bytes is the frame as it is sent. It fills in what the caller has left open: the receivers, the
// sender (the MAC address of its interface) and the kind, by the version of the IP packet.
func (f Frame) bytes(own net.HardwareAddr) []byte {
	if f.To == nil {
		f.To = everybody
	}
	if f.From == nil {
		f.From = own
	}
	if f.Kind == 0 {
		f.Kind = etherTypes[f.Packet[0]>>4]
	}
	head := slices.Concat(f.To, f.From, slices.Repeat(vlan0, f.Tags))
	return append(binary.BigEndian.AppendUint16(head, f.Kind), f.Packet...)
}
