package nft

import (
	"errors"
	"fmt"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// socketBuffer bounds one transaction: about 60 bytes an element.
const socketBuffer = 256 << 20

// longest is how long the kernel has for what it is asked between two dials: an answer that never
// comes must not hold everything up for ever. It is far more than a listing takes: the library
// would go on reading for ever what a deadline refuses it.
const longest = 2 * time.Minute

// limit sets the socket's deadline: from now on the kernel has that long for its answers.
func (b *Backend) limit() error {
	if b.socket == nil { // a connection that is none, of a test
		return nil
	}
	return b.socket.SetDeadline(time.Now().Add(b.longest))
}

// dial returns the lasting connection. A socket for each flush would cost two thousand times as
// much, and the library's own sizing of buffers falls short from some 20,000 elements on.
func (b *Backend) dial() (*nftables.Conn, error) {
	if b.conn != nil {
		return b.conn, b.limit()
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(b.options.NetNS),
		nftables.WithSockOptions(b.prepare))
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	b.conn, b.ownership, b.ownsSegment = conn, unclaimed, false
	if err := b.findFeatures(); err != nil {
		return nil, errors.Join(err, b.hangUp())
	}
	go nudge(b.socket, b.nudged)
	return conn, b.limit()
}

// findFeatures finds out what the kernel can do, once. Who only looks may try nothing, and goes by
// the kernel's version.
func (b *Backend) findFeatures() error {
	if b.features != nil {
		return nil
	}
	probe := b.options.Probe
	switch {
	case b.options.Look:
		probe = featuresOfVersion
	case probe == nil:
		probe = Probe
	}
	features, err := probe(b.options.NetNS)
	if err == nil {
		b.features = &features
	}
	return err
}

// writer is dial for changes.
func (b *Backend) writer() (*nftables.Conn, error) {
	if b.options.Look {
		return nil, errLook
	}
	return b.dial()
}

// prepare asks for buffers beyond the system's limit; without the privilege it gets what that
// limit allows.
func (b *Backend) prepare(c *netlink.Conn) error {
	b.socket = c
	b.port.Store(c.PID())
	return errors.Join(checkDescriptor(c), c.SetReadBuffer(socketBuffer),
		c.SetWriteBuffer(socketBuffer), askForLongDumps(c))
}

// askForLongDumps makes the kernel dump in pieces of 32 KiB, its most, instead of those of 4 to 8
// that the library asks for: it takes the longest read that the socket has seen for a measure
// (netlink_recvmsg). A set of hash type is walked from its beginning for each piece.
func askForLongDumps(c *netlink.Conn) error {
	if _, err := c.Send(getGeneration()); err != nil {
		return err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var peeked error
	err = raw.Read(func(fd uintptr) bool {
		_, _, peeked = unix.Recvfrom(int(fd), make([]byte, 32<<10), unix.MSG_PEEK)
		return peeked != unix.EAGAIN
	})
	if err := errors.Join(err, peeked); err != nil {
		return err
	}
	_, err = c.Receive()
	return orNoNfTables(err)
}

// orNoNfTables tells the answer of a kernel without nf_tables, which knows no message of it.
func orNoNfTables(err error) error {
	if errors.Is(err, unix.EINVAL) {
		return ErrNoNfTables
	}
	return err
}

// getGeneration asks for the generation, which has a short answer.
func getGeneration() netlink.Message {
	return netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN,
			Flags: netlink.Request},
		Data: []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	}
}

// checkDescriptor refuses a socket that the library could not wait for: it does so with select,
// which takes descriptors below FD_SETSIZE only, and would panic.
func checkDescriptor(c *netlink.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var refused error
	err = raw.Control(func(fd uintptr) {
		if fd >= unix.FD_SETSIZE {
			refused = fmt.Errorf("descriptor %d is beyond the first %d, too many are open: %w", fd,
				unix.FD_SETSIZE, unix.EMFILE)
		}
	})
	return errors.Join(err, refused)
}

// hangUp closes the socket, of which nothing is known any more after an error; the next use opens
// another.
func (b *Backend) hangUp() error {
	if b.conn == nil {
		return nil
	}
	conn := b.conn
	b.conn, b.checked, b.generation = nil, 0, 0
	return conn.CloseLasting()
}
