package nft

import (
	"bytes"
	"errors"
	"math"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// batch collects the messages of one transaction.
type batch struct {
	conn     *nftables.Conn
	table    *nftables.Table
	errs     []error  // of the library, before anything is sent
	encoding encoding // of the chains that are put
}

// fail keeps an error of the library, so that nothing of the batch is sent; nil is none.
func (b *batch) fail(err error) {
	if err != nil {
		b.errs = append(b.errs, err)
	}
}

// delta puts every change to what was found in, field by field.
func (b *batch) delta(d ruleset.Delta, found listing) error {
	was := found.form(found.strict)
	found.behind = found.behind.after(d)
	if is := found.form(found.strict); d.Frame {
		b.putFrame(found, d.Strict)
	} else if is != was {
		b.reform(was, is)
	}
	// The kernel checks references with each message: a reference is deleted before what it refers
	// to, and added after it.
	b.links(b.conn.SetDeleteElements, d.DelLinks)
	b.links(b.conn.SetAddElements, d.AddLinks)
	b.dispatch(b.conn.SetDeleteElements, d.DelDispatch)
	b.members(b.conn.SetDeleteElements, d.DelMembers)
	b.makeChains(d.PutChains)
	for _, s := range d.AddSets {
		b.addSet(s)
	}
	b.members(b.conn.SetAddElements, d.AddMembers)
	b.putChains(d.PutChains)
	b.dispatch(b.conn.SetAddElements, d.AddDispatch)
	for _, id := range d.DelChains {
		b.conn.FlushChain(b.chain(string(id)))
	}
	for _, id := range d.DelSets {
		b.conn.DelSet(programSet(id))
	}
	for _, id := range d.DelChains {
		b.conn.DelChain(b.chain(string(id)))
	}
	if d.Frame {
		b.delStrays(found)
	}
	return errors.Join(b.errs...)
}

// change is one of the library's ways to change the elements of a set.
type change func(*nftables.Set, []nftables.SetElement) error

// chain refers to a chain of the batch's table by its name.
func (b *batch) chain(name string) *nftables.Chain {
	return &nftables.Chain{Table: b.table, Name: name}
}

// addRules appends rules to a chain, in their order.
func (b *batch) addRules(chain *nftables.Chain, rules []rule) {
	for _, r := range rules {
		b.fail(r.add(b.conn, chain))
	}
}

// makeChains makes the new ones, without rules, for others to lead to.
func (b *batch) makeChains(chains []ruleset.PutChain) {
	for _, c := range chains {
		if c.New {
			b.conn.AddChain(b.chain(string(c.ID)))
		}
	}
}

// putChains gives chains their rules. A chain that was there loses its old ones in the same
// transaction, so that no packet meets it without rules.
func (b *batch) putChains(chains []ruleset.PutChain) {
	for _, c := range chains {
		if !c.New {
			b.conn.FlushChain(b.chain(string(c.ID)))
		}
		b.addRules(b.chain(string(c.ID)), b.encoding.rulesOf(c.Chain))
	}
}

// links adds interfaces to the set of those that pods sit behind, or deletes them from it.
func (b *batch) links(do change, links []string) {
	var elements []nftables.SetElement
	for _, link := range links {
		elements = append(elements, nftables.SetElement{Key: linkKey(link)})
	}
	b.fail(do(linksSet(), elements))
}

// linkKey is an interface name as the kernel compares it: IFNAMSIZ bytes, padded with zeros.
func linkKey(link string) []byte {
	key := make([]byte, nftables.TypeIFName.Bytes)
	copy(key, link)
	return key
}

// dispatch adds addresses to the verdict maps, or deletes them. Each element also has its chain's
// name as a comment, so that Observe sees if somebody made it lead elsewhere.
func (b *batch) dispatch(do change, list []ruleset.Dispatch) {
	elements := map[string][]nftables.SetElement{}
	for _, e := range list {
		name := mapName(e.Direction, ruleset.FamilyOf(e.Addr))
		elements[name] = append(elements[name], nftables.SetElement{
			Key: e.Addr.AsSlice(), Comment: string(e.Chain), VerdictData: jumpTo(e.Chain),
		})
	}
	for _, d := range ruleset.Directions {
		for _, f := range ruleset.Families {
			b.fail(do(verdictMap(d, f), elements[mapName(d, f)]))
		}
	}
}

// jumpTo is the verdict by which an element of a map sends packets to a chain.
func jumpTo(chain ruleset.ChainID) *expr.Verdict {
	return &expr.Verdict{Kind: expr.VerdictJump, Chain: string(chain)}
}

// addSet makes a set of the program with all of its members.
func (b *batch) addSet(s ruleset.Set) {
	set := programSet(s.ID)
	set.Comment = clip(s.Comment)
	b.fail(b.conn.AddSet(set, nil))
	b.fail(b.conn.SetAddElements(set, encodeMembers(s.ID, s.Members)))
}

// members adds members to sets that are there, or deletes them.
func (b *batch) members(do change, list []ruleset.Members) {
	for _, change := range list {
		b.fail(do(programSet(change.Set), encodeMembers(change.Set, change.Members)))
	}
}

// encodeMembers turns members into elements: an interval is two of them, its first address and
// the one after its last, which the last interval of all has not.
func encodeMembers(id ruleset.SetID, members []ruleset.Member) []nftables.SetElement {
	if id.Kind == ruleset.PortRanges {
		return encodeSpans(members)
	}
	elements := make([]nftables.SetElement, 0, len(members))
	for _, m := range members {
		e := nftables.SetElement{Key: m.Addr.AsSlice()}
		after := m.Last.Next()
		switch {
		case id.Kind == ruleset.PortMap:
			e = nftables.SetElement{Key: portKey(m), Comment: reasonComment(m.Reason),
				VerdictData: jumpTo(m.Chain)}
		case id.Kind == ruleset.AddressPorts:
			e.Key = append(m.Addr.AsSlice(), portKey(m)...)
		case id.Kind == ruleset.ProtoPorts:
			e.Key = portKey(m)
		case id.Kind == ruleset.LinkAddresses:
			e.Key = append(linkKey(m.Link), m.Addr.AsSlice()...)
		case id.Kind == ruleset.Ranges && !after.IsValid():
			e.IntervalOpen = true
		}
		elements = append(elements, e)
		if id.Kind == ruleset.Ranges && after.IsValid() {
			elements = append(elements,
				nftables.SetElement{Key: after.AsSlice(), IntervalEnd: true})
		}
	}
	return elements
}

// encodeSpans turns ranges of ports into two elements each, of which the first leads to the chain.
func encodeSpans(members []ruleset.Member) []nftables.SetElement {
	elements := make([]nftables.SetElement, 0, 2*len(members))
	for _, m := range members {
		open := m.LastPort == math.MaxUint16
		elements = append(elements, nftables.SetElement{
			Key: port16(m.Port), Comment: reasonComment(m.Reason), VerdictData: jumpTo(m.Chain),
			IntervalOpen: open,
		})
		if !open {
			elements = append(elements,
				nftables.SetElement{Key: port16(m.LastPort + 1), IntervalEnd: true})
		}
	}
	return elements
}

// portKey is protocol and port, each padded to 4 bytes.
func portKey(m ruleset.Member) []byte {
	return append(append([]byte{byte(m.Proto), 0, 0, 0}, port16(m.Port)...), 0, 0)
}

// decodePort reads what portKey wrote into a member; it reports false for a key of another length.
func decodePort(key []byte, m *ruleset.Member) bool {
	if len(key) != 8 {
		return false
	}
	m.Proto, m.Port = ruleset.Protocol(key[0]), uint16(key[4])<<8|uint16(key[5])
	return true
}

// decodeMember reads the key of an element as encodeMembers writes it. It reports false where the
// key is too short for the fields that its kind of set has.
func decodeMember(id ruleset.SetID, key []byte) (ruleset.Member, bool) {
	if id.Kind == ruleset.ProtoPorts {
		var m ruleset.Member
		ok := decodePort(key, &m)
		return m, ok
	}
	if id.Kind == ruleset.LinkAddresses && len(key) > unix.IFNAMSIZ {
		m, ok := decodeMember(ruleset.SetID{Family: id.Family}, key[unix.IFNAMSIZ:])
		m.Link = string(bytes.TrimRight(key[:unix.IFNAMSIZ], "\x00"))
		return m, ok
	}
	length := int(fields[id.Family].length)
	if len(key) < length {
		return ruleset.Member{}, false
	}
	addr, _ := netip.AddrFromSlice(key[:length])
	m := ruleset.Member{Addr: addr}
	if id.Kind == ruleset.AddressPorts {
		ok := decodePort(key[length:], &m)
		return m, ok
	}
	return m, true
}
