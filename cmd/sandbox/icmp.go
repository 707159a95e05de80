package sandbox

import (
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// SendICMPv6 sends one ICMPv6 message out of a pod's eth0, with hop limit 255 as
// neighbour discovery demands (RFC 4861). Body is what follows type, code and
// checksum; the code is 0 and the kernel fills in the checksum. The source
// address is the kernel's choice: link-local where the destination is.
func (c *Cluster) SendICMPv6(pod string, dst netip.Addr, icmpType uint8, body []byte) error {
	if !dst.Is6() {
		return fmt.Errorf("send ICMPv6: %v is not an IPv6 address", dst)
	}
	message := append([]byte{icmpType, 0, 0, 0}, body...)
	if err := c.InPod(pod, func() error { return sendICMPv6(dst, message) }); err != nil {
		return fmt.Errorf("send ICMPv6 type %d from %s to %s: %w", icmpType, pod, dst, err)
	}
	return nil
}

// sendICMPv6 runs in the namespace that it sends from.
func sendICMPv6(dst netip.Addr, message []byte) error {
	eth0, err := net.InterfaceByName("eth0")
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET6, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMPV6)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	for option, value := range map[int]int{
		unix.IPV6_UNICAST_HOPS:   255,
		unix.IPV6_MULTICAST_HOPS: 255,
		unix.IPV6_MULTICAST_IF:   eth0.Index,
	} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, option, value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	to := &unix.SockaddrInet6{Addr: dst.As16()}
	if dst.IsLinkLocalUnicast() || dst.IsMulticast() {
		to.ZoneId = uint32(eth0.Index)
	}
	return os.NewSyscallError("sendto", unix.Sendto(fd, message, 0, to))
}
