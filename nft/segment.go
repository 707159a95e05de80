package nft

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// A table of the bridge family keeps pods from being taken for others on the bridge that they share, and from
// reaching an isolated neighbour by anything but its address, which the frame would judge:
//
//	bridge prerouting ──► chain sender: tag of VLAN 0? drop; port and source in own4/6? go on; else in taken4/6? drop
//	bridge forward ─────► chain receiver: port and destination in own4/6? go on; else isolated port? drop
//
// What is no pod's port yet passes both.
const (
	podPorts    = "ports"    // interfaces whose pods are known
	isolatedSet = "isolated" // those whose pods are isolated for ingress
)

func ownSetName(f ruleset.Family) string   { return fmt.Sprintf("own%d", f) }
func takenSetName(f ruleset.Family) string { return fmt.Sprintf("taken%d", f) }

// bridgePriority is that of filters in the bridge family (NF_BR_PRI_FILTER_BRIDGED), before br_netfilter.
const bridgePriority = -200

func segmentTable(flags nftables.TableFlags) *nftables.Table {
	return &nftables.Table{Name: tableName, Family: nftables.TableFamilyBridge, Flags: flags}
}

// segmentFrame lists the chains of that table.
func segmentFrame() []frameChain {
	drop, accept := verdict(expr.VerdictDrop, ""), verdict(expr.VerdictAccept, "")
	sender := []rule{
		{[]term{vlanZero("vlan", unix.ETH_P_8021Q), fromLink(podPorts), counter(), drop}, "hidden behind a tag"},
		{[]term{vlanZero("8021ad", unix.ETH_P_8021AD), fromLink(podPorts), counter(), drop}, "hidden behind a tag"},
	}
	var receiver []rule
	for _, f := range ruleset.Families {
		sender = append(sender, rule{[]term{ownAddress(f, source), accept}, ""})
		receiver = append(receiver, rule{[]term{ownAddress(f, destination), accept}, ""})
	}
	for _, f := range ruleset.Families {
		sender = append(sender, rule{[]term{isTaken(f), fromLink(podPorts), counter(), drop}, "another's address"})
	}
	sender = append(sender, rule{[]term{arpTaken(), fromLink(podPorts), arpByOther(), counter(), drop}, "another's address"})
	receiver = append(receiver, rule{[]term{onBridge(ruleset.IPv6, isICMP(ruleset.IPv6, neighbourSolicit, neighbourAdvert)), accept}, "neighbours find each other"})
	for _, f := range ruleset.Families {
		receiver = append(receiver, rule{[]term{isEther(f), toLink(isolatedSet), counter(), drop}, "not sent to its address"})
	}
	return []frameChain{
		{"sender", &hook{"prerouting", *nftables.ChainHookPrerouting, bridgePriority}, sender},
		{"receiver", &hook{"forward", *nftables.ChainHookForward, bridgePriority}, receiver},
	}
}

// filledSet is a set with its elements.
type filledSet struct {
	*nftables.Set
	elements []nftables.SetElement
}

func segmentSets(s ruleset.Segment) []filledSet {
	var ports, isolated []string
	for _, p := range s.Ports {
		ports = append(ports, p.Link)
		if p.Isolated {
			isolated = append(isolated, p.Link)
		}
	}
	sets := []filledSet{linksIn(podPorts, ports), linksIn(isolatedSet, isolated)}
	for _, f := range ruleset.Families {
		sets = append(sets, filledSet{ownSetOf(f), ownElements(f, s.Ports)}, filledSet{takenSetOf(f), takenElements(f, s.Taken)})
	}
	return sets
}

func linksIn(set string, links []string) filledSet {
	s := filledSet{Set: &nftables.Set{Table: segmentTable(0), Name: set, KeyType: nftables.TypeIFName, KeyByteOrder: binaryutil.NativeEndian}}
	for _, link := range links {
		s.elements = append(s.elements, nftables.SetElement{Key: linkKey(link)})
	}
	return s
}

func ownSetOf(f ruleset.Family) *nftables.Set {
	return &nftables.Set{
		Table: segmentTable(0), Name: ownSetName(f), KeyType: nftables.MustConcatSetType(nftables.TypeIFName, fields[f].keyType),
		Concatenation: true,
	}
}

func ownElements(f ruleset.Family, ports []ruleset.Port) []nftables.SetElement {
	var elements []nftables.SetElement
	for _, p := range ports {
		for _, a := range p.Addrs {
			if ruleset.FamilyOf(a) == f {
				elements = append(elements, nftables.SetElement{Key: append(linkKey(p.Link), a.AsSlice()...)})
			}
		}
	}
	return elements
}

func takenSetOf(f ruleset.Family) *nftables.Set {
	return &nftables.Set{
		Table: segmentTable(0), Name: takenSetName(f), KeyType: fields[f].keyType, KeyByteOrder: binaryutil.BigEndian, Interval: true,
	}
}

func takenElements(f ruleset.Family, taken []ruleset.Range) []nftables.SetElement {
	var members []ruleset.Member
	for _, r := range taken {
		if ruleset.FamilyOf(r.First) == f {
			members = append(members, ruleset.Member{Addr: r.First, Last: r.Last})
		}
	}
	return encodeMembers(ruleset.SetID{Kind: ruleset.Ranges, Family: f}, members)
}

// PutSegment makes the kernel hold it, in one transaction where anything must change. Without ports there is no
// table.
func (b *Backend) PutSegment(_ context.Context, s ruleset.Segment) error {
	if err := b.putSegment(s); err != nil {
		return errors.Join(fmt.Errorf("filter on bridges: %w", err), b.hangUp())
	}
	return nil
}

func (b *Backend) putSegment(s ruleset.Segment) error {
	conn, err := b.writer()
	if err != nil {
		return err
	}
	if err := b.claim(conn); err != nil {
		return err
	}
	there, err := findTable(conn, segmentTable(0))
	if err != nil || there == nil && len(s.Ports) == 0 {
		return err
	}
	if err := b.claimSegment(conn); err != nil {
		return err
	}
	if len(s.Ports) == 0 {
		return b.delSegment(conn)
	}
	found, err := list(conn, segmentTable(0))
	if err != nil {
		return err
	}
	batch := batch{conn: conn, table: segmentTable(0)}
	sets := segmentSets(s)
	if !found.hasSegment(sets) {
		b.clear(&batch, found)
		batch.makeSegment(sets)
		found = listing{}
	}
	changed, err := batch.fill(found, sets)
	if err != nil || !changed {
		return err
	}
	b.checked = 0
	return b.count(b.flush(conn, 0))
}

// delSegment removes the table: also one that lets everything pass costs every packet on a bridge.
func (b *Backend) delSegment(conn *nftables.Conn) error {
	conn.DelTable(segmentTable(0))
	b.checked, b.ownsSegment = 0, false
	return b.count(b.flush(conn, 0))
}

// fill gives sets their elements, where they differ from what was found.
func (b *batch) fill(found listing, sets []filledSet) (changed bool, err error) {
	for _, s := range sets {
		same, err := found.holds(b.conn, s)
		if err != nil {
			return false, err
		}
		if !same {
			changed = true
			b.conn.FlushSet(s.Set)
			b.fail(b.conn.SetAddElements(s.Set, s.elements))
		}
	}
	return changed, errors.Join(b.errs...)
}

// claimSegment takes that table as claim takes the other one.
func (b *Backend) claimSegment(conn *nftables.Conn) error {
	if b.ownership != owned || b.ownsSegment {
		return nil
	}
	conn.AddTable(segmentTable(nftables.TableFlagOwner | nftables.TableFlagPersist))
	err := b.count(b.flush(conn, 0))
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
		return nil // made without an owner: it stays anybody's
	}
	b.ownsSegment = err == nil
	return err
}

// makeSegment makes chains and sets in an empty table.
func (b *batch) makeSegment(sets []filledSet) {
	for _, s := range sets {
		b.fail(b.conn.AddSet(s.Set, nil))
	}
	for _, c := range segmentFrame() {
		b.addFrameChain(c)
	}
}

// hasSegment reports whether chains and sets, not their elements, are as they are made here.
func (l listing) hasSegment(sets []filledSet) bool {
	chains := segmentFrame()
	if l.table == nil || l.table.Flags&nftables.TableFlagDormant != 0 || l.alien || len(l.chains) != len(chains) || len(l.sets) != len(sets) {
		return false
	}
	for _, c := range chains {
		if !slices.Equal(l.contents(c.name), contentsOf(c.rules)) || !hooked(l.chains[c.name], c) {
			return false
		}
	}
	return !slices.ContainsFunc(sets, func(s filledSet) bool {
		found := l.sets[s.Name]
		return found == nil || !sameType(s.Set, found)
	})
}

// holds compares the elements of a set.
func (l listing) holds(conn *nftables.Conn, want filledSet) (bool, error) {
	found := l.sets[want.Name]
	if found == nil {
		return false, nil
	}
	have, err := elements(conn, found)
	return elementsText(have) == elementsText(want.elements), err
}
