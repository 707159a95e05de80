package nft

import (
	"errors"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// nudgeEvery is how long an interrupted system call can hold up an exchange with the kernel.
const nudgeEvery = time.Second

// nudge has whoever waits for a socket try again from time to time, until it is closed.
//
// The library takes EINTR for EAGAIN: it waits for the socket to become readable. But the poller
// tells that once, when something arrives (EPOLLET), and what was not read has arrived already;
// of a dump, nothing more arrives before it is read. To set the size of the send buffer, even to
// what it is, wakes all that wait for room in it (sk_write_space), and then the poller tells anew
// all that the socket is ready for. Nothing is lost or refused by that, as it would be by a
// deadline.
func nudge(c *netlink.Conn, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for range ticker.C {
		if err := c.SetWriteBuffer(socketBuffer); errors.Is(err, unix.EBADF) {
			return
		}
	}
}
