package nft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// ErrHeld says that another process owns the table: another agent of this node, or the one before this one
// that has not stopped yet.
var ErrHeld = errors.New("the nftables table inet " + tableName + " is in the hands of another process; one agent a node may run")

var errLook = errors.New("this backend only looks")

// Options says how a Backend works. The zero value is right for an agent on its node.
type Options struct {
	NetNS   int  // file descriptor of a network namespace; 0: the calling thread's
	NoOwner bool // leave the table to be changed by anybody
	Look    bool // only observe, whoever has the table; nothing can be changed
}

// Backend is the kernel's side of one node's ruleset. It belongs to one goroutine.
type Backend struct {
	options     Options
	conn        *nftables.Conn // nil after an error: opened anew when it is needed
	socket      *netlink.Conn  // of conn
	locked      *netlink.Conn  // keeps other agents away; nil: not yet, or the kernel does
	port        atomic.Uint32  // the connection's address on netlink; Watch reads it in another goroutine
	ownership   ownership
	ownsSegment bool          // the table on bridges, too
	found       listing       // by the last Observe
	stuck       bool          // the kernel refused to mend what was found: it must go
	checked     uint32        // generation that the last Observe saw, while nothing was applied on top; else 0
	generation  uint32        // what it must be now if nobody else changed anything since; 0: not known
	watchBuffer int           // of the socket that Watch listens on; more notifications at once are a report, too
	watchRest   time.Duration // between its reports, however often others change the table
	longest     time.Duration // between two dials, but for transactions
	nudged      time.Duration // how often socket is
	twoSteps    bool          // a chain can't be deleted in the batch in which it loses its last reference
}

// ownership is whether the kernel lets nobody else change the table.
type ownership uint8

const (
	unclaimed ownership = iota // not tried yet on this socket
	owned
	impossible // kernel before 6.9, or a table that was made without
)

// Open prepares a backend; the kernel is first asked in Observe or Apply.
func Open(o Options) (*Backend, error) {
	b := &Backend{options: o, watchBuffer: 4 << 20, watchRest: 100 * time.Millisecond, longest: longest, nudged: nudgeEvery, twoSteps: kernelBefore(6, 2)}
	if _, err := b.dial(); err != nil {
		return nil, err
	}
	return b, nil
}

// socketBuffer bounds one transaction: about 60 bytes an element.
const socketBuffer = 256 << 20

// longest is how long the kernel has for what it is asked between two dials: an answer that never comes must not
// hold everything up for ever.
// It is far more than a listing takes: the library would go on reading for ever what a deadline refuses it.
const longest = 2 * time.Minute

func (b *Backend) limit() error {
	if b.socket == nil { // a connection that is none, of a test
		return nil
	}
	return b.socket.SetDeadline(time.Now().Add(b.longest))
}

// dial returns the lasting connection. A socket for each flush would cost two thousand times as much, and
// the library's own sizing of buffers falls short from some 20,000 elements on.
func (b *Backend) dial() (*nftables.Conn, error) {
	if b.conn != nil {
		return b.conn, b.limit()
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(b.options.NetNS), nftables.WithSockOptions(b.prepare))
	if err != nil {
		return nil, fmt.Errorf("open netlink socket: %w", err)
	}
	b.conn, b.ownership, b.ownsSegment = conn, unclaimed, false
	go nudge(b.socket, b.nudged)
	return conn, b.limit()
}

// writer is dial for changes.
func (b *Backend) writer() (*nftables.Conn, error) {
	if b.options.Look {
		return nil, errLook
	}
	return b.dial()
}

// prepare asks for buffers beyond the system's limit; without the privilege it gets what that limit allows.
func (b *Backend) prepare(c *netlink.Conn) error {
	b.socket = c
	b.port.Store(c.PID())
	return errors.Join(checkDescriptor(c), c.SetReadBuffer(socketBuffer), c.SetWriteBuffer(socketBuffer), askForLongDumps(c))
}

// askForLongDumps makes the kernel dump in pieces of 32 KiB, its most, instead of those of 4 to 8 that the
// library asks for: it takes the longest read that the socket has seen for a measure (netlink_recvmsg).
// A set of hash type is walked from its beginning for each piece.
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
	return err
}

// getGeneration asks for the generation, which has a short answer.
func getGeneration() netlink.Message {
	return netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: netlink.Request},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	}
}

// checkDescriptor refuses a socket that the library could not wait for: it does so with select, which takes
// descriptors below FD_SETSIZE only, and would panic.
func checkDescriptor(c *netlink.Conn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var refused error
	err = raw.Control(func(fd uintptr) {
		if fd >= unix.FD_SETSIZE {
			refused = fmt.Errorf("descriptor %d is beyond the first %d, too many are open: %w", fd, unix.FD_SETSIZE, unix.EMFILE)
		}
	})
	return errors.Join(err, refused)
}

// Close gives the table up; the rules stay.
func (b *Backend) Close() error { return errors.Join(b.hangUp(), b.unlock()) }

// hangUp closes the socket, of which nothing is known any more after an error; the next use opens another.
func (b *Backend) hangUp() error {
	if b.conn == nil {
		return nil
	}
	conn := b.conn
	b.conn, b.checked, b.generation = nil, 0, 0
	return conn.CloseLasting()
}

// Owned reports whether the kernel keeps everybody else from changing the table.
func (b *Backend) Owned() bool { return b.ownership == owned }

// Apply carries a delta out, each of its steps in one transaction: on an error the kernel holds what it held before that
// or, where the answer was lost, after it; so observe again. Straight after Observe it also fails if anybody changed any
// ruleset of the namespace in between. An empty delta sends nothing and says that what Observe found is right: others
// may change their rules from then on.
func (b *Backend) Apply(_ context.Context, d ruleset.Delta) error {
	if d.Empty() {
		b.checked = 0
	}
	for _, step := range b.steps(d) {
		if err := b.commit(step); err != nil {
			return errors.Join(fmt.Errorf("apply: %w", err), b.hangUp())
		}
	}
	return nil
}

func (b *Backend) steps(d ruleset.Delta) []ruleset.Delta {
	steps := d.Steps()
	if b.twoSteps && len(d.DelChains)+len(d.DelSets) > 0 {
		last := &steps[len(steps)-1]
		deletions := ruleset.Delta{DelChains: last.DelChains, DelSets: last.DelSets}
		last.DelChains, last.DelSets = nil, nil
		steps = append(steps, deletions)
	}
	return steps
}

func (b *Backend) commit(d ruleset.Delta) error {
	conn, err := b.writer()
	if err != nil {
		return err
	}
	batch := batch{conn: conn, table: table(0)}
	if d.Clear {
		b.clear(&batch, b.found)
		b.found = listing{}
	}
	if err := batch.delta(d, b.found); err != nil {
		return err
	}
	generation := b.checked
	b.checked = 0
	err = b.count(b.flush(conn, generation))
	b.stuck = d.Frame && !d.Clear && refusal(err)
	return err
}

// flush sends what was collected, for a generation or any (0), and reads the answers, without a limit: when it is sent
// it is done, and the answers wait, one of each message. Of hundreds of thousands they take long to read, and once a
// deadline is over the library tries for ever to read what it may not.
func (b *Backend) flush(conn *nftables.Conn, generation uint32) error {
	if b.socket != nil {
		if err := b.socket.SetDeadline(time.Time{}); err != nil {
			return err
		}
	}
	return errors.Join(conn.FlushWithGenID(generation), b.limit())
}

// refusal tells an error that comes again with the same transaction from one that passes.
func refusal(err error) bool {
	return slices.ContainsFunc([]error{unix.EBUSY, unix.EEXIST, unix.EINVAL, unix.ENOENT, unix.EOPNOTSUPP}, func(e error) bool {
		return errors.Is(err, e)
	})
}

// count takes one's own transaction into the generation.
func (b *Backend) count(err error) error {
	if err == nil && b.generation != 0 {
		b.generation++
	}
	return err
}

func table(flags nftables.TableFlags) *nftables.Table {
	return &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet, Flags: flags}
}

// clear makes an empty table. One that is owned can't be deleted without losing the ownership, so all that was
// found in it is deleted instead, users first.
func (b *Backend) clear(batch *batch, found listing) {
	if b.ownership != owned {
		old := *batch.table
		old.Flags = found.flags()
		batch.conn.AddTable(&old)
		batch.conn.DelTable(batch.table)
		batch.conn.AddTable(batch.table)
		return
	}
	batch.conn.FlushTable(batch.table)
	for _, s := range found.sets {
		batch.conn.DelSet(s)
	}
	for name := range found.chains {
		batch.conn.DelChain(batch.chain(name))
	}
}

// claim takes the table, in a transaction of its own (Linux 6.9 and later refuse it together with a base
// chain). A table whose owner died is taken over as it stands.
func (b *Backend) claim(conn *nftables.Conn) error {
	switch {
	case b.ownership == owned || b.options.Look:
		return nil
	case b.options.NoOwner || b.ownership == impossible:
		return b.lock()
	}
	conn.AddTable(table(nftables.TableFlagOwner | nftables.TableFlagPersist))
	err := b.flush(conn, 0)
	switch {
	case err == nil:
		b.ownership = owned
		return nil
	case errors.Is(err, unix.EPERM):
		return b.heldOr(conn, err)
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		b.ownership = impossible
		return b.lock()
	default:
		return fmt.Errorf("claim the table: %w", err)
	}
}

// heldOr tells a table that is somebody else's from a process that may change none.
func (b *Backend) heldOr(conn *nftables.Conn, err error) error {
	t, listErr := findTable(conn, table(0))
	if listErr == nil && b.heldByOther(t) {
		return ErrHeld
	}
	return fmt.Errorf("claim the table: %w; the capability NET_ADMIN is needed", err)
}

// heldByOther reports whether the kernel lets another process alone change the table.
func (b *Backend) heldByOther(t *nftables.Table) bool {
	return b.ownership != owned && !b.options.Look && t != nil && t.Flags&nftables.TableFlagOwner != 0
}

func findTable(conn *nftables.Conn, table *nftables.Table) (*nftables.Table, error) {
	tables, err := conn.ListTablesOfFamily(table.Family)
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	for _, t := range tables {
		if t.Name == table.Name {
			return t, nil
		}
	}
	return nil, nil
}

// Cleanup removes the tables with everything in them; it is no error if there are none. A running agent's
// are refused with ErrHeld.
func (b *Backend) Cleanup() (removed bool, err error) {
	conn, err := b.writer()
	if err != nil {
		return false, err
	}
	main, err := findTable(conn, table(0))
	if err != nil {
		return false, err
	}
	segment, err := findTable(conn, segmentTable(0))
	if err != nil || main == nil && segment == nil {
		return false, err
	}
	if err := b.claim(conn); err != nil {
		return false, err
	}
	if b.heldByOther(main) {
		return false, ErrHeld
	}
	return true, b.delTables(conn, main != nil, segment != nil)
}

// delTables gives up what was claimed, too.
func (b *Backend) delTables(conn *nftables.Conn, main, segment bool) error {
	if segment {
		if err := b.claimSegment(conn); err != nil {
			return err
		}
		conn.DelTable(segmentTable(0))
	}
	if main || b.ownership == owned {
		conn.DelTable(table(0))
	}
	if err := b.flush(conn, 0); err != nil {
		return fmt.Errorf("delete the tables: %w", err)
	}
	b.ownership, b.ownsSegment = unclaimed, false
	return nil
}

// kernelBefore reports whether the running kernel is older than a version.
func kernelBefore(major, minor int) bool {
	var u unix.Utsname
	var haveMajor, haveMinor int
	if unix.Uname(&u) != nil {
		return false
	}
	if n, _ := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &haveMajor, &haveMinor); n != 2 {
		return false
	}
	return haveMajor < major || haveMajor == major && haveMinor < minor
}
