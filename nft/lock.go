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

// Lock keeps a second agent away where the kernel gives the rules no owner. The zero value is for
// the calling thread's network namespace.
type Lock struct {
	NetNS  int // file descriptor of a network namespace; 0: the calling thread's
	socket *netlink.Conn
}

// Take takes the lock, unless it is taken already. ErrHeld: another process has it.
func (l *Lock) Take() error {
	if l.socket != nil {
		return nil
	}
	socket, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: l.NetNS})
	if err != nil {
		return fmt.Errorf("lock the table: %w", err)
	}
	if err := listenTo(socket, lockGroup); err != nil {
		return errors.Join(err, socket.Close())
	}
	l.socket = socket
	return nil
}

// Close lets another agent have the lock; it does nothing where it was not taken.
func (l *Lock) Close() error {
	if l.socket == nil {
		return nil
	}
	socket := l.socket
	l.socket = nil
	return socket.Close()
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
