package sandbox

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	maxPayload = 1024 // what a UDP server echoes at most
	nonceSize  = 16
)

// probeSocket is a probe that was sent or will be: one socket that does not block.
type probeSocket struct {
	Probe
	namespace *namespace // the namespace that it leaves from
	source    netip.Addr // of the family of Addr
	fd        int        // -1 while there is no socket
	nonce     []byte     // what a UDP server must send back
	received  []byte     // so far, over a connection
	result    *Outcome
}

// newProbeSocket checks a probe and prepares it; the socket is opened by start.
func newProbeSocket(p Probe, from *pod, result *Outcome) (*probeSocket, error) {
	p.Addr = p.Addr.Unmap()
	source, ok := from.source(p.Addr)
	if !ok {
		return nil, fmt.Errorf("probe %s: pod %s has no address of that family", p, p.From)
	}
	if p.Protocol > SCTP {
		return nil, fmt.Errorf("probe %s: unknown protocol", p)
	}
	s := &probeSocket{Probe: p, namespace: from.namespace, source: source, fd: -1, result: result}
	s.nonce = fmt.Appendf(nil, "%0*x", nonceSize, rand.Uint64())
	return s, nil
}

// start opens the socket in the namespace of the calling thread and sends the first packet. A probe
// that was silent can be started again.
func (s *probeSocket) start() (finished bool, err error) {
	s.received = nil
	if err := s.open(); err != nil {
		return false, err
	}
	if err := s.namespace.ports.bind(s.fd, s.source); err != nil {
		return false, err
	}
	switch err := unix.Connect(s.fd, sockaddr(s.Addr, s.Port)); err {
	case nil, unix.EINPROGRESS:
		return s.send(), nil
	case unix.ECONNREFUSED:
		return s.finish(Refused), nil
	default:
		return false, os.NewSyscallError("connect", err)
	}
}

// open makes a socket that keeps ICMP errors in its error queue. TCP would not
// tell of one that comes while connect has not returned yet, as it does here,
// where a whole round trip takes place within the system call.
func (s *probeSocket) open() (err error) {
	domain, level, option := unix.AF_INET, unix.IPPROTO_IP, unix.IP_RECVERR
	if s.Addr.Is6() {
		domain, level, option = unix.AF_INET6, unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	kind, number := s.Protocol.socket()
	kind |= unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC
	if s.fd, err = unix.Socket(domain, kind, number); err != nil {
		s.fd = -1
		return os.NewSyscallError("socket", err)
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(s.fd, level, option, 1))
}

// send sends the datagram of a UDP probe, once more if it was sent before. A
// packet that the sender's own firewall drops (EPERM) is as silent as any.
func (s *probeSocket) send() (finished bool) {
	if s.Protocol != UDP {
		return false
	}
	_, err := unix.Write(s.fd, s.nonce)
	return refuses(err) && s.finish(Refused)
}

// receive reads what came, and reports whether the probe has its outcome now.
func (s *probeSocket) receive() (finished bool) {
	var buffer [maxPayload]byte
	n, err := unix.Read(s.fd, buffer[:])
	switch {
	case refuses(err):
		return s.finish(Refused)
	case err == unix.EAGAIN:
		return s.receiveError()
	case err == unix.EINTR, err != nil && s.Protocol == UDP: // the read has cleared the error
		return false
	case err != nil: // such as ETIMEDOUT; the connection is over
		return s.finish(Silent)
	case s.Protocol == UDP:
		return s.receiveEcho(buffer[:n])
	}
	s.received = append(s.received, buffer[:n]...)
	name, _, complete := bytes.Cut(s.received, []byte("\n"))
	if !complete && n > 0 && len(s.received) < maxPayload {
		return false
	}
	return s.checkName(name, complete)
}

// receiveError takes one message out of the error queue. Its control data starts
// with the errno (struct sock_extended_err).
func (s *probeSocket) receiveError() (finished bool) {
	var payload, control [512]byte
	flags := unix.MSG_ERRQUEUE | unix.MSG_DONTWAIT
	_, n, _, _, err := unix.Recvmsg(s.fd, payload[:], control[:], flags)
	if err != nil {
		return false
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil {
		return false
	}
	for _, m := range messages {
		if len(m.Data) >= 4 && refuses(syscall.Errno(binary.NativeEndian.Uint32(m.Data))) {
			return s.finish(Refused)
		}
	}
	return false
}

// receiveEcho takes no datagram but its own.
func (s *probeSocket) receiveEcho(datagram []byte) (finished bool) {
	name, nonce, complete := bytes.Cut(datagram, []byte("\n"))
	if complete && !bytes.Equal(nonce, s.nonce) {
		return false
	}
	return s.checkName(name, complete)
}

// checkName ends the probe by the name in the answer, which may be incomplete.
func (s *probeSocket) checkName(name []byte, complete bool) (finished bool) {
	if complete && (s.To == "" || s.To == string(name)) {
		return s.finish(Open)
	}
	return s.finish(Stranger)
}

// finish ends the probe with an outcome.
func (s *probeSocket) finish(o Outcome) (finished bool) {
	*s.result = o
	s.close()
	return true
}

// close ends a connection by a reset, so that neither end lingers in TIME_WAIT.
func (s *probeSocket) close() {
	if s.fd < 0 {
		return
	}
	if s.Protocol != UDP {
		_ = unix.SetsockoptLinger(s.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	}
	unix.Close(s.fd)
	s.fd = -1
}
