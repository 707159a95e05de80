package nft

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// lockPort is an address on netlink that one process of a network namespace can have, and that is free again
// when it ends, however it does: "pick".
const lockPort = 0x7069636b

// lock keeps a second agent away where the kernel gives the table no owner. The protocol is the one that is
// left to programs.
func (b *Backend) lock() error {
	if b.locked != nil {
		return nil
	}
	socket, err := netlink.Dial(unix.NETLINK_USERSOCK, &netlink.Config{NetNS: b.options.NetNS, PID: lockPort})
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return ErrHeld
	case err != nil:
		return fmt.Errorf("lock the table: %w", err)
	}
	b.locked = socket
	return nil
}

func (b *Backend) unlock() error {
	if b.locked == nil {
		return nil
	}
	socket := b.locked
	b.locked = nil
	return socket.Close()
}
