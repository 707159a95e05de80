package nft

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Features is what the nf_tables of the running kernel can do. It is found out by trying, since
// distributions leave parts out and put newer ones in, whatever the version is.
type Features struct {
	// NfTables: there is nf_tables. Without it there is nothing of what follows.
	NfTables bool
	// Owner: a table can belong to one process, which nobody else may change, and outlive it.
	Owner bool
	// DeleteAtOnce: a chain can go in the same transaction as the last element that leads to it.
	DeleteAtOnce bool
	// SourceInForward: the hook forward may look up by which interface a source is reached.
	SourceInForward bool
	// Bridge: there are hooks for what bridges carry.
	Bridge bool
}

// The versions of Linux from which on each is there. Distributions and updates of older versions
// have some of them earlier.
const (
	nfTablesSince        = "3.13"
	ownerSince           = "6.9"
	deleteAtOnceSince    = "6.2"
	sourceInForwardSince = "5.17"
	bridgeSince          = "3.14"
)

// Newest is what the newest kernels can do.
func Newest() Features { return Features{true, true, true, true, true} }

// List returns all of them in words, in a fixed order; without nf_tables, that alone.
func (f Features) List() []ruleset.Feature {
	tables := ruleset.Feature{Name: "nf_tables", Since: nfTablesSince, Here: f.NfTables,
		Otherwise: "nftables can hold no rule, and the node is not ready"}
	if !f.NfTables {
		return []ruleset.Feature{tables}
	}
	return []ruleset.Feature{
		tables,
		{Name: "table_owner", Since: ownerSince, Here: f.Owner,
			Otherwise: "changes of the tables by others are repaired, not refused"},
		{Name: "deletion_at_once", Since: deleteAtOnceSince, Here: f.DeleteAtOnce,
			Otherwise: "chains and sets are deleted in a second transaction"},
		{Name: "source_in_forward", Since: sourceInForwardSince, Here: f.SourceInForward,
			Otherwise: "where a source is reached is looked up in prerouting"},
		{Name: "bridge_hooks", Since: bridgeSince, Here: f.Bridge,
			Otherwise: "pods of one bridge can pass for each other there"},
	}
}

// FeaturesNamed returns those that are in a list of the names of List.
func FeaturesNamed(names []string) Features {
	has := func(name string) bool { return slices.Contains(names, name) }
	return Features{NfTables: has("nf_tables"), Owner: has("table_owner"), DeleteAtOnce: has("deletion_at_once"),
		SourceInForward: has("source_in_forward"), Bridge: has("bridge_hooks")}
}

// FeaturesOf returns what Linux can do from a version on, such as 5.10, as it is published. What
// follows the first two numbers does not matter. An error says that it is no version.
func FeaturesOf(version string) (f Features, err error) {
	have, err := parseVersion(version)
	if err != nil {
		return f, err
	}
	since := func(version string) bool {
		first, _ := parseVersion(version) // one of this file
		return slices.Compare(have[:], first[:]) >= 0
	}
	return Features{NfTables: since(nfTablesSince), Owner: since(ownerSince),
		DeleteAtOnce: since(deleteAtOnceSince), SourceInForward: since(sourceInForwardSince),
		Bridge: since(bridgeSince)}, nil
}

// featuresOfVersion returns what the running kernel can do by its version.
func featuresOfVersion(int) (Features, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return Features{}, os.NewSyscallError("uname", err)
	}
	return FeaturesOf(unix.ByteSliceToString(name.Release[:]))
}

// parseVersion reads the first two numbers of a version.
func parseVersion(text string) (version [2]int, err error) {
	if _, err := fmt.Sscanf(text, "%d.%d", &version[0], &version[1]); err != nil {
		return version, fmt.Errorf("%q: expected a version of Linux, such as 5.10", text)
	}
	return version, nil
}

// trialTable is the name of a table that is made to try something. It is dormant or has no base
// chain, so no packet meets it. One trial after another makes it and deletes it.
const trialTable = "picket-trial"

// Prober finds out what the kernel can do in a network namespace, as Probe does.
type Prober func(netns int) (Features, error)

// Probe finds out what the kernel can do. An error says that nothing can be said, or that it has no
// nf_tables at all.
func Probe(netns int) (f Features, err error) {
	// The library does not pass on which error the kernel answers, so it is asked without it.
	ask := func(c *netlink.Conn) error {
		_, err := c.Execute(getGeneration())
		return orNoNfTables(err)
	}
	conn, err := nftables.New(nftables.AsLasting(), nftables.WithNetNSFd(netns),
		nftables.WithSockOptions(ask))
	if err != nil {
		return f, fmt.Errorf("open netlink socket: %w", err)
	}
	defer conn.CloseLasting()
	f.NfTables = true // else the socket had answered so
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

// ErrNoNfTables says what is missing and who has it.
var ErrNoNfTables = errors.New("this kernel has no nf_tables: load the module (modprobe nf_tables); " +
	"where there is none, a package of more modules may have it (kernel-modules-extra, " +
	"linux-modules-extra)")

// newTrial makes the table of a trial in the batch that is being collected. One that a process left
// behind, which was killed here, goes.
func newTrial(conn *nftables.Conn, family nftables.TableFamily) *nftables.Table {
	t := &nftables.Table{Name: trialTable, Family: family}
	conn.AddTable(t)
	conn.DelTable(t)
	const dormant = nftables.TableFlagDormant
	return conn.AddTable(&nftables.Table{Name: trialTable, Family: family, Flags: dormant})
}

// endTrial sends what was collected, and deletes the table, whether that went well or not.
func endTrial(conn *nftables.Conn, t *nftables.Table) error {
	err := conn.Flush()
	conn.AddTable(t) // after an error it is not there, and can't be deleted
	conn.DelTable(t)
	return errors.Join(err, conn.Flush())
}

// tryOwner makes a table as claim does. The owner is refused at once, so the same transaction can
// delete it.
func tryOwner(conn *nftables.Conn) error {
	conn.DelTable(conn.AddTable(&nftables.Table{Name: trialTable + "-owner",
		Family: nftables.TableFamilyINet,
		Flags:  nftables.TableFlagOwner | nftables.TableFlagPersist}))
	return conn.Flush()
}

// tryDeletion deletes chains together with what leads to them: an element of a map, a whole map,
// and a rule. All must have been there before.
func tryDeletion(conn *nftables.Conn) error {
	t := newTrial(conn, nftables.TableFamilyINet)
	chain := func(name string) *nftables.Chain {
		return conn.AddChain(&nftables.Chain{Table: t, Name: name})
	}
	chains := []*nftables.Chain{chain("a"), chain("b"), chain("c")}
	from := chain("from")
	stays, goes := verdictMap(ruleset.Ingress, ruleset.IPv4), verdictMap(ruleset.Egress, ruleset.IPv4)
	stays.Table, goes.Table = t, t
	leadsTo := func(chain ruleset.ChainID) []nftables.SetElement {
		return []nftables.SetElement{{Key: []byte{192, 0, 2, 1}, VerdictData: jumpTo(chain)}}
	}
	err := errors.Join(conn.AddSet(stays, leadsTo("a")), conn.AddSet(goes, leadsTo("b")),
		newRule(verdict(expr.VerdictJump, "c")).add(conn, from), conn.Flush())
	if err != nil {
		return fmt.Errorf("make chains and maps: %w", err)
	}
	conn.FlushChain(from)
	err = conn.SetDeleteElements(stays, leadsTo("a"))
	conn.DelSet(goes)
	for _, c := range chains {
		conn.DelChain(c)
	}
	return errors.Join(err, endTrial(conn, t))
}

// tryHook makes a base chain with one rule. The kernel looks whether the rule may stand there when
// all of the transaction is known.
func tryHook(conn *nftables.Conn, family nftables.TableFamily, h hook, terms ...term) error {
	t := newTrial(conn, family)
	chain := conn.AddChain(&nftables.Chain{Table: t, Name: h.name, Type: nftables.ChainTypeFilter,
		Hooknum: &h.number, Priority: &h.priority})
	return errors.Join(newRule(terms...).add(conn, chain), endTrial(conn, t))
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
		hook{"prerouting", *nftables.ChainHookPrerouting, bridgePriority}, notARP(), accept())
}
