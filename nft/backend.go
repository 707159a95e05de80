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

var errLook = errors.New("this backend only looks")

// Options says how a Backend works. The zero value is right for an agent on its node.
type Options struct {
	NetNS   int  // file descriptor of a network namespace; 0: the calling thread's
	NoOwner bool // leave the table to be changed by anybody
	Look    bool // only observe, whoever has the table; nothing can be changed
	// Features is what the kernel is taken to be able to do; nil: what Probe finds.
	Features *Features
	// Probe finds out what the kernel can do; nil: the function Probe. Tests pretend other kernels
	// with it.
	Probe Prober
	// Lock is one that the process has already; nil: the backend takes one where it needs it.
	Lock *Lock
}

// Backend is the kernel's side of one node's ruleset. It belongs to one goroutine.
type Backend struct {
	options Options
	conn    *nftables.Conn // nil after an error: opened anew when it is needed
	socket  *netlink.Conn  // of conn
	locked  *Lock          // keeps other agents away, unless the kernel does
	// the connection's address on netlink; Watch reads it in another goroutine
	port        atomic.Uint32
	ownership   ownership
	ownsSegment bool    // the table on bridges, too
	found       listing // by the last Observe
	overtaken   int     // transactions in a row that others' commits made stale
	stuck       bool    // the kernel refused to mend what was found: it must go
	// generation that the last Observe saw, while nothing was applied on top; else 0
	checked uint32
	// what it must be now if nobody else changed anything since; 0: not known
	generation uint32
	// of the socket that Watch listens on; more notifications at once are a report, too
	watchBuffer int
	watchRest   time.Duration // between its reports, however often others change the table
	longest     time.Duration // between two dials, but for transactions
	nudged      time.Duration // how often socket is
	features    *Features     // nil: not found out yet
	encoding    encoding
}

// Open prepares a backend. The kernel is first asked when it is used: where that fails it is tried
// again with the next use.
func Open(o Options) *Backend {
	locked := o.Lock
	if locked == nil {
		locked = &Lock{NetNS: o.NetNS}
	}
	return &Backend{options: o, watchBuffer: 4 << 20, watchRest: 100 * time.Millisecond,
		longest: longest, nudged: nudgeEvery, features: o.Features, locked: locked,
		encoding: currentEncoding()}
}

// Features lists what the kernel can do. An error says why it can't be asked. That it has no
// nf_tables is none: the module may be loaded later, so the next call asks again.
func (b *Backend) Features() ([]ruleset.Feature, error) {
	_, err := b.dial()
	if errors.Is(err, ErrNoNfTables) {
		return Features{}.List(), nil
	}
	if err != nil {
		return nil, err
	}
	return b.features.List(), nil
}

// Form says that the kernel can hold every program.
func (b *Backend) Form() ruleset.Form { return ruleset.FullForm() }

// Close gives the table up; the rules stay.
func (b *Backend) Close() error {
	if b.options.Lock != nil {
		return b.hangUp() // the lock is not the backend's
	}
	return errors.Join(b.hangUp(), b.locked.Close())
}

// Apply carries a delta out, each of its steps in one transaction: on an error the kernel holds
// what it held before that or, where the answer was lost, after it; so observe again. Straight
// after Observe it also fails if anybody changed any ruleset of the namespace in between, a few
// times at most and only where anybody may change the table. An empty delta sends nothing and
// says that what Observe found is right: others may change their rules from then on.
func (b *Backend) Apply(_ context.Context, d ruleset.Delta) error {
	if d.Empty() {
		b.checked = 0
	}
	err := b.apply(d)
	if err != nil {
		err = errors.Join(fmt.Errorf("apply: %w", err), b.hangUp())
	}
	return err
}

// apply finds out what the kernel can do before it splits a delta.
func (b *Backend) apply(d ruleset.Delta) error {
	if _, err := b.writer(); err != nil {
		return err
	}
	for _, step := range b.steps(d) {
		if err := b.commit(step); err != nil {
			return err
		}
	}
	return nil
}

// steps splits a delta like Steps. A kernel that can't delete them at once (before Linux 6.2) gets
// the deletions of chains and sets in a transaction of their own, after the one in which the
// references to them go. Where it refuses that one, they stay, and nothing leads to them: what is
// decided is what it would be without them.
func (b *Backend) steps(d ruleset.Delta) (steps []ruleset.Delta) {
	for _, step := range Steps(d) {
		deletions := ruleset.Delta{DelChains: step.DelChains, DelSets: step.DelSets}
		if b.features.DeleteAtOnce || deletions.Empty() {
			steps = append(steps, step)
			continue
		}
		if step.DelChains, step.DelSets = nil, nil; !step.Empty() {
			steps = append(steps, step)
		}
		steps = append(steps, deletions)
	}
	return steps
}

// commit carries one step out as one transaction. It notes what the next step and the next Observe
// need: who is behind which interface, whether others' commits came first, and whether the kernel
// refused to mend the frame.
func (b *Backend) commit(d ruleset.Delta) error {
	conn, err := b.writer()
	if err != nil {
		return err
	}
	batch := batch{conn: conn, table: table(0), encoding: b.encoding}
	if d.Clear {
		b.clear(&batch, b.found)
		b.found = listing{features: *b.features}
	}
	if err := batch.delta(d, b.found); err != nil {
		return err
	}
	err = b.count(b.flush(conn, b.expected()))
	b.checked = 0
	// The kernel answers ERESTART where the generation is not the expected one any more.
	b.overtaken++
	if !errors.Is(err, unix.ERESTART) {
		b.overtaken = 0
	}
	b.found.behind = b.found.behind.after(d)
	b.found.strict = d.Strict || b.found.strict && !d.Frame
	b.stuck = d.Frame && !d.Clear && refusal(err)
	return err
}

// mostOvertaken is how often others may commit between an observation and the transaction that
// follows it, before it is sent whatever they do. What they did to the table is then seen by
// Watch.
const mostOvertaken = 3

// expected is the generation that the next transaction is for; 0 is any: a table that is this
// process's alone is as it was observed, whatever others commit.
func (b *Backend) expected() uint32 {
	if b.ownership == owned || b.overtaken >= mostOvertaken {
		return 0
	}
	return b.checked
}

// flush sends what was collected, for a generation or any (0), and reads the answers, without a
// limit: when it is sent it is done, and the answers wait, one of each message. Of hundreds of
// thousands they take long to read, and once a deadline is over the library tries for ever to
// read what it may not.
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
	return slices.ContainsFunc([]error{unix.EBUSY, unix.EEXIST, unix.EINVAL, unix.ENOENT,
		unix.EOPNOTSUPP}, func(e error) bool {
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

// table describes the table inet picket. The flags are those that it is made with; where the table
// is only referred to they are 0.
func table(flags nftables.TableFlags) *nftables.Table {
	return &nftables.Table{Name: tableName, Family: nftables.TableFamilyINet, Flags: flags}
}

// clear makes an empty table. One that is owned can't be deleted without losing the ownership, so
// all that was found in it is deleted instead, users first.
func (b *Backend) clear(batch *batch, found listing) {
	if b.ownership != owned {
		old := *batch.table
		old.Flags = found.flags()
		// To delete a table that is not there is an error, so it is made first.
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
