package nft

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Observe says what the kernel holds, after it has claimed the table. ErrHeld: the table is not
// this process's to change.
func (b *Backend) Observe(context.Context) (ruleset.Observed, error) {
	o, err := b.observe()
	if err != nil {
		err = errors.Join(fmt.Errorf("observe: %w", err), b.hangUp())
	}
	return o, err
}

// observe claims the table, asks for the generation and then lists the table: if others change it
// meanwhile, the generation that Apply sends with its transaction is no longer the current one.
func (b *Backend) observe() (ruleset.Observed, error) {
	none := ruleset.Observed{}
	conn, err := b.dial()
	if err != nil {
		return none, err
	}
	if err := b.claim(conn); err != nil {
		return none, err
	}
	generation, err := conn.GetGen()
	if err != nil {
		return none, fmt.Errorf("generation: %w", err)
	}
	if b.found, err = b.list(conn, table(0)); err != nil {
		return none, err
	}
	b.found.features, b.found.encoding = *b.features, b.encoding
	if b.heldByOther(b.found.table) {
		return none, ErrHeld
	}
	o, err := b.look(conn)
	if err != nil {
		return none, err
	}
	b.found.strict = o.Strict
	b.checked, b.generation = generation.ID, generation.ID
	return o, nil
}

// look reads what was found, unless it has to go anyway.
func (b *Backend) look(conn *nftables.Conn) (ruleset.Observed, error) {
	if b.stuck {
		return ruleset.Observed{}, nil
	}
	return b.found.observed(conn)
}

// observed reads the listing.
func (l listing) observed(conn *nftables.Conn) (ruleset.Observed, error) {
	o := ruleset.Observed{
		Sets: map[ruleset.SetID][]ruleset.Member{}, Chains: map[ruleset.ChainID]string{},
		Dispatch: map[ruleset.Subject]ruleset.ChainID{},
	}
	// What is lost is made anew, so its sets need not be read.
	if o.Condition, o.Strict = l.condition(); o.Condition == ruleset.Lost {
		return o, nil
	}
	for name := range l.chains {
		if isPodChain(name) {
			o.Chains[ruleset.ChainID(name)] = l.digest(name)
		}
	}
	for _, s := range l.sets {
		list, err := elements(conn, s)
		if err != nil {
			return o, err
		}
		if slices.ContainsFunc(list, isForeignTo(s.Name)) {
			return ruleset.Observed{Condition: ruleset.Lost}, nil
		}
		readSet(&o, s, list)
	}
	slices.Sort(o.Links)
	return o, nil
}

// isForeignTo tells which elements of a set of ours nobody here can have made, by their keys: one
// for every key that has no element (nft writes it *, Linux 5.13) has none. The library can't
// delete it, so its table must be made anew.
func isForeignTo(set string) func(nftables.SetElement) bool {
	own := ownSet(set)
	return func(e nftables.SetElement) bool {
		return own != nil && len(e.Key) != int(own.KeyType.Bytes)
	}
}

// readSet takes the elements of one set in, if it is one of ours; Cuts reads those of cuts.
func readSet(o *ruleset.Observed, s *nftables.Set, elements []nftables.SetElement) {
	if s.Name == linkSet {
		for _, e := range elements {
			o.Links = append(o.Links, string(bytes.TrimRight(e.Key, "\x00")))
		}
		return
	}
	for _, d := range ruleset.Directions {
		for _, f := range ruleset.Families {
			if s.Name == mapName(d, f) {
				readDispatch(o, d, elements)
				return
			}
		}
	}
	if id, ok := ruleset.ParseSetID(s.Name); ok {
		o.Sets[id] = decodeMembers(id, elements)
	}
}

// readDispatch takes in the elements of one verdict map; those that are not as they were made lead
// to no chain, so that Diff replaces them.
func readDispatch(o *ruleset.Observed, d ruleset.Direction, elements []nftables.SetElement) {
	for _, e := range elements {
		if addr, ok := netip.AddrFromSlice(e.Key); ok {
			o.Dispatch[ruleset.Subject{Direction: d, Addr: addr}] = dispatchedTo(e)
		}
	}
}

// dispatchedTo reads where an element of the dispatch sends packets; it is empty for anything but
// a jump to the chain that its comment names.
func dispatchedTo(e nftables.SetElement) ruleset.ChainID {
	if chain := jumpOf(e); string(chain) == e.Comment {
		return chain
	}
	return ""
}

// jumpOf reads where an element of a verdict map sends packets; it is empty for anything but a
// jump.
func jumpOf(e nftables.SetElement) ruleset.ChainID {
	attributes, err := netlink.NewAttributeDecoder(e.Val)
	if err != nil {
		return ""
	}
	// The attributes of nf_tables are in network byte order.
	attributes.ByteOrder = binary.BigEndian
	var code int32
	var chain string
	for attributes.Next() {
		switch attributes.Type() {
		case unix.NFTA_VERDICT_CODE:
			code = attributes.Int32()
		case unix.NFTA_VERDICT_CHAIN:
			chain = attributes.String()
		}
	}
	if code != unix.NFT_JUMP {
		return ""
	}
	return ruleset.ChainID(chain)
}

// decodeMembers turns the elements of a set into its members, in no certain order. A key that is no
// member's is left out.
func decodeMembers(id ruleset.SetID, elements []nftables.SetElement) []ruleset.Member {
	switch id.Kind {
	case ruleset.Ranges:
		return decodeRanges(elements)
	case ruleset.PortMap:
		return decodeJumps(elements)
	case ruleset.PortRanges:
		return decodeSpans(id, elements)
	}
	var members []ruleset.Member
	for _, e := range elements {
		if m, ok := decodeMember(id, e.Key); ok {
			members = append(members, m)
		}
	}
	return members
}

// decodeJumps reads members that lead to chains; one that does anything else leads to none.
func decodeJumps(elements []nftables.SetElement) []ruleset.Member {
	var members []ruleset.Member
	for _, e := range elements {
		m := ruleset.Member{Chain: jumpOf(e), Reason: ruleset.Reason(e.Comment)}
		if decodePort(e.Key, &m) {
			members = append(members, m)
		}
	}
	return members
}

// decodeSpans pairs the first port of each range with the next port after it; without one, the
// range goes on to the last.
func decodeSpans(id ruleset.SetID, elements []nftables.SetElement) []ruleset.Member {
	slices.SortFunc(elements, compareElements)
	var members []ruleset.Member
	for i, e := range elements {
		if e.IntervalEnd || len(e.Key) != 2 {
			continue
		}
		m := ruleset.Member{
			Proto: id.Protocol(), Port: binary.BigEndian.Uint16(e.Key), LastPort: math.MaxUint16,
			Chain: jumpOf(e), Reason: ruleset.Reason(e.Comment),
		}
		if i+1 < len(elements) && elements[i+1].IntervalEnd {
			m.LastPort = binary.BigEndian.Uint16(elements[i+1].Key) - 1
		}
		members = append(members, m)
	}
	return members
}

// decodeRanges pairs each first address with the next address after a range; without one, the
// range goes on to the last address of all.
func decodeRanges(elements []nftables.SetElement) []ruleset.Member {
	slices.SortFunc(elements, compareElements)
	var members []ruleset.Member
	for i, e := range elements {
		first, ok := netip.AddrFromSlice(e.Key)
		if e.IntervalEnd || !ok {
			continue
		}
		last := ruleset.RangeOf(netip.PrefixFrom(first, 0)).Last
		if i+1 < len(elements) && elements[i+1].IntervalEnd {
			after, _ := netip.AddrFromSlice(elements[i+1].Key)
			last = after.Prev()
		}
		members = append(members, ruleset.Member{Addr: first, Last: last})
	}
	return members
}
