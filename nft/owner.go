package nft

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"golang.org/x/sys/unix"
)

// ErrHeld says that another process owns the table: another agent of this node, or the one before
// this one that has not stopped yet.
var ErrHeld = errors.New("the nftables table inet " + tableName +
	" is in the hands of another process; one agent a node may run")

// ownership is whether the kernel lets nobody else change the table.
type ownership uint8

const (
	unclaimed ownership = iota // not tried yet on this socket
	owned
	impossible // the kernel can't (before 6.9), or the table was made without
)

// Owned reports whether the kernel keeps everybody else from changing the table.
func (b *Backend) Owned() bool { return b.ownership == owned }

// claim takes the table, in a transaction of its own (Linux 6.9 and later refuse it together with
// a base chain). A table whose owner died is taken over as it stands.
func (b *Backend) claim(conn *nftables.Conn) error {
	switch {
	case b.ownership == owned || b.options.Look:
		return nil
	case b.options.NoOwner || !b.features.Owner || b.ownership == impossible:
		return b.locked.Take()
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
		// The table is there without these flags.
		b.ownership = impossible
		return b.locked.Take()
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
	return b.ownership != owned && !b.options.Look && t != nil &&
		t.Flags&nftables.TableFlagOwner != 0
}

// findTable looks for the table of that family and name in the kernel; nil: there is none.
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

// Cleanup removes the tables with everything in them; it is no error if there are none. A running
// agent's are refused with ErrHeld.
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
	// The claim may have made the table just now.
	if main || b.ownership == owned {
		conn.DelTable(table(0))
	}
	if err := b.flush(conn, 0); err != nil {
		return fmt.Errorf("delete the tables: %w", err)
	}
	b.ownership, b.ownsSegment = unclaimed, false
	return nil
}
