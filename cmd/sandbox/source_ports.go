package sandbox

import (
	"fmt"
	"net/netip"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// sourcePorts hands out the local ports of a namespace in turn.
type sourcePorts struct{ used atomic.Uint32 }

// The range is the kernel's own for ephemeral ports.
const (
	firstPort = 32768
	portCount = 28232
	portTries = 256 // ports that somebody else has, in a row
)

// bind binds a socket to the address and the next free port.
func (p *sourcePorts) bind(fd int, to netip.Addr) (err error) {
	for range portTries {
		port := firstPort + p.used.Add(1)%portCount
		if err = unix.Bind(fd, sockaddr(to, uint16(port))); err != unix.EADDRINUSE {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("bind to %s: %w", to, err)
	}
	return nil
}

// sockaddr is the form that system calls take.
func sockaddr(a netip.Addr, port uint16) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(port), Addr: a.As4()}
	}
	return &unix.SockaddrInet6{Port: int(port), Addr: a.As16()}
}
