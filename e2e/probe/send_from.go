package main

import (
	"net"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// dialer makes the sockets of a flow.
func (f flow) dialer() *net.Dialer {
	d := &net.Dialer{Timeout: f.patience}
	if f.from == "" {
		return d
	}
	ip := net.ParseIP(f.from)
	d.Control, d.LocalAddr = transparent, &net.TCPAddr{IP: ip}
	if strings.HasPrefix(f.network, "udp") {
		d.LocalAddr = &net.UDPAddr{IP: ip}
	}
	return d
}

// transparent lets a socket send from any address, as IPVS and proxies do. That takes NET_ADMIN or
// NET_RAW.
func transparent(network, _ string, raw syscall.RawConn) (err error) {
	level, option := unix.SOL_IP, unix.IP_TRANSPARENT
	if strings.HasSuffix(network, "6") {
		level, option = unix.SOL_IPV6, unix.IPV6_TRANSPARENT
	}
	failed := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) })
	if failed != nil {
		return failed
	}
	return err
}
