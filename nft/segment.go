package nft

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// A table of the bridge family keeps pods from being taken for others on the bridge that they
// share, from reaching an isolated neighbour by anything but its address, which the frame would
// see, and from receiving what is for another:
//
//	bridge prerouting ──► chain sender: tag of VLAN 0? another port's MAC address? drop; port and source in own4/6?
//	                      go on; else in taken4/6, or from a bound port? drop
//	bridge forward ─────► chain receiver: port and destination in own4/6? go on; else isolated port? for another? drop
//	bridge output ──────► chain outgoing: port and destination in own4/6? go on; for another? drop
//
// What is no pod's port yet passes all of them, but for what only routers say where the pods
// share a bridge with one. While a switch keeps bridged packets from the frame, the chain closed
// stands before receiver.
const (
	podPorts    = "ports"    // interfaces whose pods are known
	isolatedSet = "isolated" // those whose pods are isolated for ingress
	boundSet    = "bound"    // those from which only their pods' own addresses may send
	closedSet   = "closed"   // those that nothing passes to or from
	routerSet   = "routers"  // interfaces behind which there can be a router
	macSet      = "macs"     // MAC addresses of pods
	ownMACSet   = "ownmac"   // the same, with their ports
)

// ownSetName names the set of one family's pairs of a port and an address of the pod behind it.
func ownSetName(f ruleset.Family) string { return fmt.Sprintf("own%d", f) }

// takenSetName names the set of one family's addresses of pods and nodes.
func takenSetName(f ruleset.Family) string { return fmt.Sprintf("taken%d", f) }

// bridgePriority is that of filters in the bridge family (NF_BR_PRI_FILTER_BRIDGED), before
// br_netfilter.
const bridgePriority = -200

// segmentTable describes the table bridge picket. The flags are as in table.
func segmentTable(flags nftables.TableFlags) *nftables.Table {
	return &nftables.Table{Name: tableName, Family: nftables.TableFamilyBridge, Flags: flags}
}

// filledSet is a set with its elements.
type filledSet struct {
	*nftables.Set
	elements []nftables.SetElement
}

// segmentSets lists the table's sets with the elements that a segment gives them. Those of closed
// ports and of routers are made only where there are any, as are the rules that look them up.
func segmentSets(s ruleset.Segment) []filledSet {
	portsThat := func(are func(ruleset.Port) bool) (links []string) {
		for _, p := range s.Ports {
			if are(p) {
				links = append(links, p.Link)
			}
		}
		return links
	}
	sets := []filledSet{
		linksIn(podPorts, portsThat(ruleset.Port.Known)),
		linksIn(isolatedSet, portsThat(func(p ruleset.Port) bool { return p.Isolated })),
		linksIn(boundSet, portsThat(func(p ruleset.Port) bool { return p.Bound })),
		macsOf(s.Ports), ownMACsOf(s.Ports),
	}
	if closed := portsThat(func(p ruleset.Port) bool { return p.Closed }); closed != nil {
		sets = append(sets, linksIn(closedSet, closed))
	}
	if len(s.Routers) > 0 {
		sets = append(sets, linksIn(routerSet, s.Routers))
	}
	for _, f := range ruleset.Families {
		sets = append(sets, filledSet{ownSetOf(f), ownElements(f, s.Ports)},
			filledSet{takenSetOf(f), takenElements(f, s.Taken)})
	}
	return sets
}

// linksIn is a set of interfaces, by their names.
func linksIn(set string, links []string) filledSet {
	s := filledSet{Set: &nftables.Set{Table: segmentTable(0), Name: set,
		KeyType: nftables.TypeIFName, KeyByteOrder: binaryutil.NativeEndian}}
	for _, link := range links {
		s.elements = append(s.elements, nftables.SetElement{Key: linkKey(link)})
	}
	return s
}

// macsOf is the set of the MAC addresses of pods, as far as they are known.
func macsOf(ports []ruleset.Port) filledSet {
	s := filledSet{Set: &nftables.Set{Table: segmentTable(0), Name: macSet,
		KeyType: nftables.TypeEtherAddr}}
	for _, p := range ports {
		if p.MAC != (ruleset.MAC{}) {
			s.elements = append(s.elements, nftables.SetElement{Key: p.MAC[:]})
		}
	}
	return s
}

// ownMACsOf is the set of the pairs of a port and the MAC address of the pod behind it.
func ownMACsOf(ports []ruleset.Port) filledSet {
	keys := nftables.MustConcatSetType(nftables.TypeIFName, nftables.TypeEtherAddr)
	s := filledSet{Set: &nftables.Set{Table: segmentTable(0), Name: ownMACSet, KeyType: keys,
		Concatenation: true}}
	for _, p := range ports {
		if p.MAC != (ruleset.MAC{}) {
			key := append(append(linkKey(p.Link), p.MAC[:]...), 0, 0) // registers of 4 bytes
			s.elements = append(s.elements, nftables.SetElement{Key: key})
		}
	}
	return s
}

// ownSetOf describes the set that ownSetName names, without elements.
func ownSetOf(f ruleset.Family) *nftables.Set {
	return &nftables.Set{
		Table: segmentTable(0), Name: ownSetName(f), KeyType: nftables.MustConcatSetType(
			nftables.TypeIFName, fields[f].keyType),
		Concatenation: true,
	}
}

// ownElements are the elements of that set: the port's name, then the address.
func ownElements(f ruleset.Family, ports []ruleset.Port) []nftables.SetElement {
	var elements []nftables.SetElement
	for _, p := range ports {
		for _, a := range p.Addrs {
			if ruleset.FamilyOf(a) == f {
				elements = append(elements,
					nftables.SetElement{Key: append(linkKey(p.Link), a.AsSlice()...)})
			}
		}
	}
	return elements
}

// takenSetOf describes the set that takenSetName names, without elements: it holds ranges.
func takenSetOf(f ruleset.Family) *nftables.Set {
	return &nftables.Set{
		Table: segmentTable(0), Name: takenSetName(f), KeyType: fields[f].keyType,
		KeyByteOrder: binaryutil.BigEndian, Interval: true,
	}
}

// takenElements are the elements of that set, from ranges that are sorted and disjoint.
func takenElements(f ruleset.Family, taken []ruleset.Range) []nftables.SetElement {
	var members []ruleset.Member
	for _, r := range taken {
		if ruleset.FamilyOf(r.First) == f {
			members = append(members, ruleset.Member{Addr: r.First, Last: r.Last})
		}
	}
	return encodeMembers(ruleset.SetID{Kind: ruleset.Ranges, Family: f}, members)
}

// KeepsRouters says that a segment refuses what routers say from ports of pods.
func (b *Backend) KeepsRouters() bool { return true }

// PutSegment makes the kernel hold it, in one transaction where anything must change. Where
// everything may pass there is no table.
func (b *Backend) PutSegment(_ context.Context, s ruleset.Segment) error {
	if _, err := b.writer(); err == nil && !b.features.Bridge {
		if s.Empty() {
			return nil
		}
		return errNoBridgeHooks
	}
	if err := b.putSegment(s); err != nil {
		return errors.Join(fmt.Errorf("filter on bridges: %w", err), b.hangUp())
	}
	return nil
}

// errNoBridgeHooks leaves the connection as it is: nothing was asked.
var errNoBridgeHooks = fmt.Errorf("%w: this kernel has no nftables on bridges "+
	"(CONFIG_NF_TABLES_BRIDGE)", errors.ErrUnsupported)

// putSegment makes the table anew where its chains or sets are not as they should be; else it only
// changes the elements of the sets that hold others.
func (b *Backend) putSegment(s ruleset.Segment) error {
	conn, err := b.writer()
	if err != nil {
		return err
	}
	if err := b.claim(conn); err != nil {
		return err
	}
	there, err := findTable(conn, segmentTable(0))
	if err != nil || there == nil && s.Empty() {
		return err
	}
	if err := b.claimSegment(conn); err != nil {
		return err
	}
	if s.Empty() {
		return b.delSegment(conn)
	}
	found, err := b.list(conn, segmentTable(0))
	if err != nil {
		return err
	}
	batch := batch{conn: conn, table: segmentTable(0)}
	sets, chains := segmentSets(s), segmentFrame(s)
	if !found.hasSegment(chains, sets) {
		b.clear(&batch, found)
		batch.makeSegment(chains, sets)
		// The new sets are empty, whatever the old ones held.
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
func (b *batch) makeSegment(chains []frameChain, sets []filledSet) {
	for _, s := range sets {
		b.fail(b.conn.AddSet(s.Set, nil))
	}
	for _, c := range chains {
		b.addFrameChain(c)
	}
}

// hasSegment reports whether chains and sets, not their elements, are as they are made here.
func (l listing) hasSegment(chains []frameChain, sets []filledSet) bool {
	if l.table == nil || l.table.Flags&nftables.TableFlagDormant != 0 || l.alien ||
		len(l.chains) != len(chains) || len(l.sets) != len(sets) {
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
