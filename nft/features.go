package nft

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Features is what the nf_tables of the running kernel can do. It is found out by trying, since
// distributions leave parts out and put newer ones in, whatever the version is.
type Features struct {
	// Owner: a table can belong to one process, which nobody else may change, and outlive it.
	Owner bool
	// DeleteAtOnce: a chain can go in the same transaction as the last element that leads to it.
	DeleteAtOnce bool
	// SourceInForward: the hook forward may look up by which interface a source is reached.
	SourceInForward bool
	// Bridge: there are hooks for what bridges carry.
	Bridge bool
}

// Newest is what the newest kernels can do.
func Newest() Features { return Features{true, true, true, true} }

// List returns all of them in words, in a fixed order.
func (f Features) List() []ruleset.Feature {
	return []ruleset.Feature{
		{Name: "table_owner", Since: "6.9", Here: f.Owner,
			Otherwise: "changes of the tables by others are repaired, not refused"},
		{Name: "deletion_at_once", Since: "6.2", Here: f.DeleteAtOnce,
			Otherwise: "chains and sets are deleted in a second transaction"},
		{Name: "source_in_forward", Since: "5.17", Here: f.SourceInForward,
			Otherwise: "where a source is reached is looked up in prerouting"},
		{Name: "bridge_hooks", Since: "3.14", Here: f.Bridge,
			Otherwise: "pods of one bridge can pass for each other there"},
	}
}

// trialTable is the name of tables that are made to try something. All but one go in the
// transaction that makes them, so no packet meets them and none stays behind.
const trialTable = "picket-trial"

// Probe finds out what the kernel can do. An error says that nothing can be said, or that it has no
// nf_tables at all.
func Probe(netns int) (f Features, err error) {
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(netns))
	if err != nil {
		return f, fmt.Errorf("open netlink socket: %w", err)
	}
	defer conn.CloseLasting()
	if _, err := conn.GetGen(); errors.Is(err, unix.EINVAL) {
		return f, errNoNfTables
	}
	for _, trial := range []struct {
		here *bool
		try  func(*nftables.Conn) error
	}{
		{&f.Owner, tryOwner}, {&f.DeleteAtOnce, tryDeletion},
		{&f.SourceInForward, trySource}, {&f.Bridge, tryBridge},
	} {
		err := trial.try(conn)
		switch {
		case err == nil:
			*trial.here = true
		case errors.Is(err, unix.EPERM):
			return f, fmt.Errorf("try what the kernel can do: %w; "+
				"run it as root, or with the capability NET_ADMIN", err)
		case !refusal(err):
			return f, fmt.Errorf("try what the kernel can do: %w", err)
		}
	}
	return f, nil
}

// errNoNfTables says what is missing and who has it.
var errNoNfTables = errors.New("this kernel has no nf_tables: load the module (modprobe nf_tables); " +
	"where there is none, a package of more modules may have it (kernel-modules-extra, " +
	"linux-modules-extra)")

// trial describes the table of trials that are one transaction.
func trial(family nftables.TableFamily, flags nftables.TableFlags) *nftables.Table {
	return &nftables.Table{Name: trialTable, Family: family, Flags: flags}
}

// tryOwner makes a table as claim does.
func tryOwner(conn *nftables.Conn) error {
	t := conn.AddTable(trial(nftables.TableFamilyINet,
		nftables.TableFlagOwner|nftables.TableFlagPersist))
	conn.DelTable(t)
	return conn.Flush()
}

// tryDeletion deletes a chain together with the element that leads to it. Both must have been there
// before, so that takes transactions of their own. Where it fails, the table goes with the rest.
func tryDeletion(conn *nftables.Conn) error {
	t := &nftables.Table{Name: trialTable + "-deletion", Family: nftables.TableFamilyINet}
	conn.AddTable(t) // one of a process that was killed here must go
	conn.DelTable(t)
	conn.AddTable(t)
	chain := conn.AddChain(&nftables.Chain{Table: t, Name: "c"})
	leads := verdictMap(ruleset.Ingress, ruleset.IPv4)
	leads.Table = t
	element := []nftables.SetElement{{Key: []byte{192, 0, 2, 1}, VerdictData: jumpTo("c")}}
	if err := errors.Join(conn.AddSet(leads, element), conn.Flush()); err != nil {
		return fmt.Errorf("make a map: %w", err)
	}
	if err := conn.SetDeleteElements(leads, element); err != nil {
		return err
	}
	conn.DelChain(chain)
	err := conn.Flush()
	conn.DelTable(t)
	return errors.Join(err, conn.Flush())
}

// tryHook makes a base chain with one rule.
func tryHook(conn *nftables.Conn, family nftables.TableFamily, h hook, terms ...term) error {
	t := conn.AddTable(trial(family, 0))
	chain := conn.AddChain(&nftables.Chain{Table: t, Name: h.name, Type: nftables.ChainTypeFilter,
		Hooknum: &h.number, Priority: &h.priority})
	if err := newRule(terms...).add(conn, chain); err != nil {
		return err
	}
	conn.DelTable(t)
	return conn.Flush()
}

// trySource looks the way back to a source up in forward.
func trySource(conn *nftables.Conn) error {
	return tryHook(conn, nftables.TableFamilyINet,
		hook{"forward", *nftables.ChainHookForward, priority}, isFamily(ruleset.IPv4), noWayBack(),
		drop())
}

// tryBridge hooks a chain into bridges.
func tryBridge(conn *nftables.Conn) error {
	return tryHook(conn, nftables.TableFamilyBridge,
		hook{"prerouting", *nftables.ChainHookPrerouting, bridgePriority}, notARP(),
		verdict(expr.VerdictAccept, ""))
}
