package nflog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Group is the NFLOG group that denied packets are logged to.
const Group = 86

// What the log shows before the name of a chain, of a packet that was denied and of one that was let
// through by an audit. No chain has the name audit.
const (
	Prefix      = "picket "
	AuditPrefix = Prefix + "audit "
)

// ErrHeld says that another process reads the group.
var ErrHeld = errors.New("another process reads NFLOG group 86")

// How much the kernel keeps for the reader.
const (
	copied     = 128      // bytes of each packet: the headers
	datagram   = 16 << 10 // bytes that it gathers at most before it passes them on
	flushAfter = 20       // hundredths of a second that it gathers for
	waiting    = 1 << 20  // bytes that wait to be read
)

// Reader reads the group of one network namespace. It belongs to one goroutine.
type Reader struct {
	conn   *netlink.Conn
	data   []byte
	parser parser
}

// Open binds the group. netNS is a file descriptor of a network namespace; 0: the calling thread's.
func Open(netNS int) (*Reader, error) {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, &netlink.Config{NetNS: netNS})
	if err != nil {
		return nil, fmt.Errorf("read denied packets: %w", err)
	}
	if err := bind(conn); err != nil {
		return nil, errors.Join(fmt.Errorf("read denied packets: %w", err), conn.Close())
	}
	return &Reader{conn: conn, data: make([]byte, 2*datagram)}, nil
}

// Close lets another process have the group.
func (r *Reader) Close() error { return r.conn.Close() }

// Read passes on what comes until a time, and returns how many packets were lost meanwhile. An
// error ends the reader.
func (r *Reader) Read(until time.Time, take func(ruleset.Logged)) (lost uint64, err error) {
	// A deadline wakes the read that waits, so no thread is kept.
	if err := r.conn.SetReadDeadline(until); err != nil {
		return 0, err
	}
	raw, err := r.conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	// What is lost shows with the packet that follows.
	before := r.parser.lost
	// One read passes on all that the kernel has gathered.
	for err == nil && time.Now().Before(until) {
		var n int
		if n, err = r.receive(raw); err == nil {
			r.parser.messages(r.data[:n], take)
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return r.parser.lost - before, err
}

// receive waits for one datagram of the kernel. One of another process is empty.
func (r *Reader) receive(raw interface {
	Read(func(uintptr) bool) error
}) (n int, err error) {
	var from unix.Sockaddr
	var refused error
	err = raw.Read(func(fd uintptr) bool {
		n, from, refused = unix.Recvfrom(int(fd), r.data, 0)
		return refused != unix.EAGAIN
	})
	switch sender, is := from.(*unix.SockaddrNetlink); {
	case err != nil:
		return 0, err
	// There was no room; the numbers of the packets that follow say for how many.
	case refused == unix.ENOBUFS, refused == unix.EINTR:
		return 0, nil
	case refused != nil:
		return 0, refused
	// The kernel is 0; a process of the node could send as well.
	case !is || sender.Pid != 0:
		return 0, nil
	}
	return n, nil
}

// bind asks for the group and says how much of each packet is wanted, in one message, so that no
// packet comes before its answer (linux/netfilter/nfnetlink_log.h). The kernel answers EPERM or
// EBUSY where another process has the group.
func bind(conn *netlink.Conn) error {
	const (
		command, mode, room, timeout, flags = 1, 2, 3, 4, 6 // NFULA_CFG_*
		bindGroup, copyPacket, numbered     = 1, 2, 1       // NFULNL_*
	)
	data, err := netlink.MarshalAttributes([]netlink.Attribute{
		{Type: command, Data: []byte{bindGroup}},
		{Type: mode, Data: []byte{0, 0, 0, copied, copyPacket, 0}},
		{Type: room, Data: binary.BigEndian.AppendUint32(nil, datagram)},
		{Type: timeout, Data: binary.BigEndian.AppendUint32(nil, flushAfter)},
		{Type: flags, Data: binary.BigEndian.AppendUint16(nil, numbered)},
	})
	if err != nil {
		return err
	}
	_, err = conn.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_ULOG<<8 | 1, // NFULNL_MSG_CONFIG
			Flags: netlink.Request | netlink.Acknowledge},
		Data: append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, Group}, data...),
	})
	switch {
	// Without the right to (NET_ADMIN) no rules could have been made either.
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EBUSY):
		return ErrHeld
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w; load the kernel module: modprobe nfnetlink_log", err)
	case err != nil:
		return err
	}
	return conn.SetReadBuffer(waiting)
}
