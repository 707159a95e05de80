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

const (
	// gather is for the rest of a change to arrive: an interface comes with several messages.
	gather = 5 * time.Millisecond
	// switchesEvery is how often the switches are read, of which the kernel tells no change.
	switchesEvery = 250 * time.Millisecond
)

// watchGroups are the kernel's news of interfaces, addresses and routes.
const watchGroups = 1<<(unix.RTNLGRP_LINK-1) |
	1<<(unix.RTNLGRP_IPV4_IFADDR-1) | 1<<(unix.RTNLGRP_IPV6_IFADDR-1) |
	1<<(unix.RTNLGRP_IPV4_ROUTE-1) | 1<<(unix.RTNLGRP_IPV6_ROUTE-1)

// Watch reports that what Prepare, Tunnels or Addresses found may have changed: once when it
// listens, then after each change of interfaces, addresses, routes or switches, until ctx ends. It
// looks at the namespace of the calling thread.
func (h *Host) Watch(ctx context.Context, changed func()) error {
	socket, err := wire.Dial(unix.NETLINK_ROUTE, &wire.Config{Groups: watchGroups})
	if err != nil {
		return fmt.Errorf("open netlink socket: %w", err)
	}
	// Closing the socket ends a read that waits.
	defer context.AfterFunc(ctx, func() { _ = socket.Close() })()
	defer socket.Close()
	on := switchedOn()
	for news := true; ctx.Err() == nil; {
		was := on
		// What Host has found is marked as old before the loop is told, so that it asks anew.
		if on = switchedOn(); news {
			h.stale.Store(true)
		}
		if news || on != was {
			changed()
		}
		if news, err = receive(socket); err != nil && ctx.Err() == nil {
			return fmt.Errorf("listen to the kernel: %w", err)
		}
	}
	return nil
}

// receive waits for news until the switches are to be read again, and then for what belongs to
// them. Of more than the socket holds it knows that there was some.
func receive(socket *wire.Conn) (news bool, err error) {
	deadline := time.Now().Add(switchesEvery)
	for {
		if err := socket.SetReadDeadline(deadline); err != nil {
			return news, err
		}
		_, err := socket.Receive()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return news, nil
		// ENOBUFS says that messages were lost, which is news enough.
		case err != nil && !errors.Is(err, unix.ENOBUFS):
			return news, err
		case !news:
			news, deadline = true, time.Now().Add(gather)
		}
	}
}
