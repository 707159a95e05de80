package nft

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// lockGroup is an NFLOG group that nothing is logged to. One process of a network namespace can
// listen to it, it takes the capability NET_ADMIN, and it is free again when the process ends,
// however it does.
const lockGroup = 0x7069

// lock keeps a second agent away where the kernel gives the table no owner.
func (b *Backend) lock() error {
	if b.locked != nil {
		return nil
	}
	socket, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: b.options.NetNS})
	if err != nil {
		return fmt.Errorf("lock the table: %w", err)
	}
	if err := listenTo(socket, lockGroup); err != nil {
		return errors.Join(err, socket.Close())
	}
	b.locked = socket
	return nil
}

// listenTo binds a socket to an NFLOG group (NFULNL_CFG_CMD_BIND, Linux 2.6.14). The kernel
// answers EPERM where another process has it. It answers the same to who has no NET_ADMIN, but
// that one could not have asked for the generation before.
func listenTo(socket *netlink.Conn, group uint16) error {
	const (
		config  = unix.NFNL_SUBSYS_ULOG<<8 | 1 // NFULNL_MSG_CONFIG
		command = 1                            // NFULA_CFG_CMD
		bind    = 1                            // NFULNL_CFG_CMD_BIND
	)
	attributes, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: command,
		Data: []byte{bind}}})
	if err != nil {
		return err
	}
	_, err = socket.Execute(netlink.Message{
		Header: netlink.Header{Type: config, Flags: netlink.Request | netlink.Acknowledge},
		Data: append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, byte(group >> 8),
			byte(group & 0xff)}, attributes...),
	})
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EBUSY):
		return ErrHeld
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("lock the table: %w; load the kernel module: modprobe nfnetlink_log", err)
	case err != nil:
		return fmt.Errorf("lock the table: %w", err)
	}
	return nil
}

// unlock lets another agent have the table; it does nothing where there is no lock.
func (b *Backend) unlock() error {
	if b.locked == nil {
		return nil
	}
	socket := b.locked
	b.locked = nil
	return socket.Close()
}
