//go:build linux

package cli

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// silenceLimit is how long the machine of an API server may send nothing, not even that it has got
// a packet.
const silenceLimit = 4 * time.Second

// newAPIDialer makes the dialer for API servers. A node must know of changes within 5 seconds of a
// server's return, even if another server takes over from a machine that has lost its power, so
// that nobody says that the connection is gone. client-go's own dialer asks an idle connection
// after 30 seconds whether it lives, and waits another 15 for the answer.
//
// The kernels ask and answer: a server that is merely slow keeps its connections.
func newAPIDialer() *net.Dialer {
	// A connection on which nothing comes is probed after 2 and 3 s, and ends after 4 s.
	return &net.Dialer{
		Timeout: silenceLimit,
		KeepAliveConfig: net.KeepAliveConfig{
			Enable: true, Idle: silenceLimit / 2, Interval: time.Second, Count: 2},
		Control: limitUnanswered,
	}
}

// limitUnanswered ends a connection, too, if what was sent gets no answer (TCP_USER_TIMEOUT in
// tcp(7), Linux 2.6.37).
func limitUnanswered(_, _ string, raw syscall.RawConn) error {
	// Control itself fails only if the connection is closed already.
	var problem error
	err := raw.Control(func(fd uintptr) {
		limit := int(silenceLimit.Milliseconds())
		problem = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, limit)
	})
	return errors.Join(err, problem)
}
