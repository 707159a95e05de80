package conntrack

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/picket-project/picket/controller/host"
	"github.com/picket-project/picket/ruleset"
)

// Table is conntrack's table of one network namespace. Review and ReviewOf may be called at the
// same time as the other, but not as themselves.
type Table struct {
	at       *netNamespace
	all, one *asker
}

// Open gets hold of the table of the calling thread's network namespace.
func Open() (*Table, error) { return OpenIn(0) }

// OpenIn gets hold of the table of a network namespace by its file descriptor, which is not needed
// afterwards; 0: the calling thread's.
func OpenIn(namespace int) (*Table, error) {
	at, err := openNetNamespace(namespace)
	if err != nil {
		return nil, err
	}
	all, errAll := newAsker(at)
	one, errOne := newAsker(at)
	t := &Table{at: at, all: all, one: one}
	if err := errors.Join(errAll, errOne); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Close lets go of it.
func (t *Table) Close() {
	t.all.close()
	t.one.close()
	_ = t.at.file.Close() // nothing was written
}

// atOnce is how many connections are handed over together: what a look keeps in memory.
const atOnce = 4096

// Keep reports whether a connection is wanted.
type Keep = func(ruleset.Connection) bool

// Review hands over the connections that keep wants, some at a time, and takes those out of the
// table that are to end; those that are cut, too, where a flowtable would go on forwarding them.
// The node's own are left out: they do not pass the forward hook. It costs about 2 µs an entry of
// the whole table.
func (t *Table) Review(ctx context.Context, keep Keep, decide ruleset.DecideFates) error {
	return t.all.review(ctx, wholeTable(), keep, decide)
}

// ReviewOf is Review for the connections with an address at one end. From Linux 5.8 on it does not
// cost more for all the others than the kernel needs to pass them by.
func (t *Table) ReviewOf(ctx context.Context, end netip.Addr, decide ruleset.DecideFates) error {
	keep := func(c ruleset.Connection) bool { return c.From.Addr() == end || c.To.Addr() == end }
	return t.one.review(ctx, withSource(end), keep, decide)
}

// review asks with each filter; an entry that several of them find is handed over as often.
func (a *asker) review(
	ctx context.Context, filters []*filter, keep Keep, decide ruleset.DecideFates,
) error {
	return a.look(func() error { return a.reviewOpen(ctx, filters, keep, decide) })
}

// reviewOpen is review over open sockets.
func (a *asker) reviewOpen(
	ctx context.Context, filters []*filter, keep Keep, decide ruleset.DecideFates,
) error {
	own, err := a.ownAddrs()
	if err != nil {
		return err
	}
	b := openEntries{asker: a, decide: decide, keep: func(c ruleset.Connection) bool {
		return !own[c.From.Addr()] && !own[c.To.Addr()] && keep(c)
	}}
	for _, f := range filters {
		if err := errors.Join(a.each(ctx, f, b.take), b.err); err != nil {
			return fmt.Errorf("list connections: %w", err)
		}
	}
	b.handOver()
	return b.err
}

// ownAddrs lists the addresses of the node: what is open to them never passes the forward hook.
func (a *asker) ownAddrs() (map[netip.Addr]bool, error) {
	list, err := host.ListAddrs(a.links)
	if err != nil {
		return nil, err
	}
	own := map[netip.Addr]bool{}
	for _, address := range list {
		if addr, ok := netip.AddrFromSlice(address.IP); ok {
			own[addr.Unmap()] = true
		}
	}
	return own, nil
}

// openEntries collects entries until there are enough to be decided over together.
type openEntries struct {
	asker   *asker
	keep    Keep
	decide  ruleset.DecideFates
	entries []entry
	err     error // after one, nothing more is collected
}

// take adds an entry, and hands the batch over once it is large enough.
func (b *openEntries) take(e entry) {
	if b.err != nil || !b.keep(e.Connection) {
		return
	}
	if b.entries = append(b.entries, e.kept()); len(b.entries) == atOnce {
		b.handOver()
	}
}

// handOver has the batch decided over, and deletes the entries of what is to end.
func (b *openEntries) handOver() {
	if b.err != nil || len(b.entries) == 0 {
		return
	}
	list := make([]ruleset.Connection, len(b.entries))
	for i, e := range b.entries {
		list[i] = e.Connection
	}
	fates, err := b.decide(list)
	if b.err = err; err != nil {
		return
	}
	for i, fate := range fates {
		if e := b.entries[i]; fate == ruleset.Ended || fate == ruleset.Cut && e.offloaded {
			b.err = errors.Join(b.err, b.asker.end(e))
		}
	}
	b.entries = b.entries[:0]
}
