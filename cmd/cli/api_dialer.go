package cli

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// silence is for how long an API server's machine may say nothing at all, be it just that it has got a packet.
const silence = 4 * time.Second

// dialer reaches API servers. A node must know of changes within 5 seconds of a server's return, also where another one
// takes over from a machine that has lost its power, and nobody says that the connection is gone. client-go's own
// asks an idle connection after 30 seconds whether it lives, and waits another 15 for the answer.
//
// It is the kernel that asks and answers: a server that is merely slow keeps its connections.
func dialer() *net.Dialer {
	return &net.Dialer{
		Timeout:         silence,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence / 2, Interval: time.Second, Count: 2},
		Control:         endSilence,
	}
}

// endSilence ends a connection also if it is what was sent that gets no answer (tcp(7), Linux 2.6.37).
func endSilence(_, _ string, raw syscall.RawConn) error {
	var problem error
	err := raw.Control(func(fd uintptr) {
		problem = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
	})
	return errors.Join(err, problem)
}
