package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	wire "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// watchEvery is how often the switches are read, of which the kernel tells no change, and how long news are
// collected.
const watchEvery = 500 * time.Millisecond

// watchGroups are the kernel's news of interfaces, addresses and routes.
const watchGroups = 1<<(unix.RTNLGRP_LINK-1) | 1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_IFADDR-1) |
	1<<(unix.RTNLGRP_IPV4_ROUTE-1) | 1<<(unix.RTNLGRP_IPV6_ROUTE-1)

// Watch reports at most twice a second, until ctx ends, that what Prepare found may have changed: interfaces,
// addresses, routes, or the switches. It looks at the namespace of the calling thread.
func (h *Host) Watch(ctx context.Context, changed func()) error {
	socket, err := wire.Dial(unix.NETLINK_ROUTE, &wire.Config{Groups: watchGroups})
	if err != nil {
		return fmt.Errorf("open netlink socket: %w", err)
	}
	defer context.AfterFunc(ctx, func() { _ = socket.Close() })()
	defer socket.Close()
	for on := true; ctx.Err() == nil; {
		news, err := collect(socket, time.Now().Add(watchEvery))
		if err != nil && ctx.Err() == nil {
			return fmt.Errorf("listen to the kernel: %w", err)
		}
		was := on
		if on = switchedOn(); news {
			h.stale.Store(true)
		}
		if news || on != was {
			changed()
		}
	}
	return nil
}

// collect takes what the kernel has to say until then. Of more than the socket holds it knows that there was some.
func collect(socket *wire.Conn, until time.Time) (news bool, err error) {
	if err := socket.SetReadDeadline(until); err != nil {
		return false, err
	}
	for {
		_, err := socket.Receive()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return news, nil
		case err != nil && !errors.Is(err, unix.ENOBUFS):
			return news, err
		}
		news = true
	}
}
