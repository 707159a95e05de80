package host

import (
	"context"
	"errors"
	"fmt"
	"time"

	wire "github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// gather is for the rest of a change to arrive: an interface comes with several messages.
const gather = 5 * time.Millisecond

// Follow reports when interfaces or addresses of the node may have changed, until ctx ends: then, or after an error, the
// channel is closed. It listens once it returns.
func (h *Host) Follow(ctx context.Context, changed func()) (ended <-chan error, err error) {
	groups := uint32(unix.RTMGRP_LINK | unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR)
	socket, err := wire.Dial(unix.NETLINK_ROUTE, &wire.Config{Groups: groups})
	if err != nil {
		return nil, fmt.Errorf("follow interfaces: %w", err)
	}
	end := make(chan error, 1)
	go func() {
		defer close(end)
		defer socket.Close()
		stop := context.AfterFunc(ctx, func() { _ = socket.SetReadDeadline(time.Now()) })
		defer stop()
		if err := receive(ctx, socket, changed); err != nil {
			end <- fmt.Errorf("follow interfaces: %w", err)
		}
	}()
	return end, nil
}

func receive(ctx context.Context, socket *wire.Conn, changed func()) error {
	for {
		_, err := socket.Receive()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && !errors.Is(err, unix.ENOBUFS): // which means that some were lost
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(gather):
		}
		changed()
	}
}
