package sandbox_test

import (
	"errors"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
)

// echoRequest is the first byte of a ping (RFC 792, RFC 4443).
var echoRequest = map[bool]byte{true: 8, false: 128} // by: is IPv4

// ping sends an ICMP echo request from a pod of the sandbox and waits for the reply.
func (r *rig) ping(from string, to netip.Addr, timeout time.Duration) (outcome sandbox.Outcome) {
	r.t.Helper()
	err := r.InPod(from, func() (err error) {
		outcome, err = ping(to, timeout)
		return err
	})
	if err != nil {
		r.t.Error(err) // from several goroutines
	}
	return outcome
}

// ping works with a socket of the kernel's own ping protocol, which fills in checksum and
// identifier and returns only what belongs to it.
func ping(to netip.Addr, timeout time.Duration) (sandbox.Outcome, error) {
	if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0); err != nil {
		return 0, err
	}
	family, proto := unix.AF_INET, unix.IPPROTO_ICMP
	if to.Is6() {
		family, proto = unix.AF_INET6, unix.IPPROTO_ICMPV6
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, proto)
	if err != nil {
		return 0, os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	patience := unix.NsecToTimeval(timeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &patience); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	if err := unix.Connect(fd, sockaddr(to, 0)); err != nil {
		return 0, os.NewSyscallError("connect", err)
	}
	if _, err := unix.Write(fd, append([]byte{echoRequest[to.Is4()], 0, 0, 0, 0, 0, 0, 1},
		make([]byte, 32)...)); err != nil {
		return pingOutcome(err)
	}
	_, err = unix.Read(fd, make([]byte, 64))
	for errors.Is(err, unix.EINTR) { // by a signal, such as that a child has ended
		_, err = unix.Read(fd, make([]byte, 64))
	}
	return pingOutcome(err)
}

func pingOutcome(err error) (sandbox.Outcome, error) {
	switch {
	case err == nil:
		return sandbox.Open, nil
	case errors.Is(err, unix.EAGAIN):
		return sandbox.Silent, nil
	case errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.EACCES):
		return sandbox.Refused, nil
	default:
		return 0, os.NewSyscallError("ping", err)
	}
}

func sockaddr(a netip.Addr, port int) unix.Sockaddr {
	if a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4(), Port: port}
	}
	return &unix.SockaddrInet6{Addr: a.As16(), Port: port}
}
