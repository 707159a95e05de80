package nft

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// Connections that a change of the program forbids are cut by a chain and sets of their own, which are there
// only while there are any, because every packet has to be looked up in them:
//
//	forward hook, just before the frame ──► chain cut
//	                    either direction of a connection with ports, in set cut4/6 ──► drop
//	                    either direction of another one, in set cutother4/6 ─────────► drop
//
// Nothing is taken from conntrack. A connection that is deleted there comes to life again with its next
// packet, the other way round if that is the server's; and one that is allowed again could not go on. A
// connection with ports is recognised by what stands in the packet, so that it stays cut where conntrack
// has forgotten it. Each is in its set as both directions see it, the second with a comment.
const (
	cutChain    = "cut"
	cutPriority = priority - 1
	answers     = "answers"
)

// cutSetName names the set of a family's connections, with ports or without.
func cutSetName(f ruleset.Family, ports bool) string {
	if ports {
		return fmt.Sprintf("cut%d", f)
	}
	return fmt.Sprintf("cutother%d", f)
}

// cutSet describes that set.
func (b *batch) cutSet(f ruleset.Family, ports bool) *nftables.Set {
	addr := fields[f].keyType
	key := []nftables.SetDatatype{addr, addr, nftables.TypeInetProto}
	if ports {
		key = append(key, nftables.TypeInetService, nftables.TypeInetService)
	}
	return &nftables.Set{
		Table: b.table, Name: cutSetName(f, ports), KeyType: nftables.MustConcatSetType(key...),
		KeyByteOrder: binaryutil.BigEndian, Concatenation: true,
	}
}

// cutFrame is the chain. A related packet carries the connection that it is about, so the last rules ask for
// packets of the connection itself.
func cutFrame() frameChain {
	drop := verdict(expr.VerdictDrop, "")
	var rules []rule
	for _, f := range ruleset.Families {
		rules = append(rules, rule{[]term{inCut(f), counter(), drop}, "no longer allowed"})
	}
	for _, f := range ruleset.Families {
		terms := []term{ctState("established", ctEstablished), inCutOther(f), counter(), drop}
		rules = append(rules, rule{terms, "no longer allowed"})
	}
	return frameChain{cutChain, &hook{"forward", *nftables.ChainHookForward, cutPriority}, rules}
}

// inCut matches a packet by all that identifies its connection.
func inCut(f ruleset.Family) term {
	at, first := fields[f], uint32(unix.NFT_REG32_00)
	next := first + at.length/4 // registers of 4 bytes
	return term{
		text: fmt.Sprintf("%s saddr . %s daddr . meta l4proto . th sport . th dport @%s", at.word, at.word, cutSetName(f, true)),
		exprs: append(isFamily(f).exprs,
			&expr.Payload{DestRegister: first, Base: expr.PayloadBaseNetworkHeader, Offset: at.source, Len: at.length},
			&expr.Payload{DestRegister: next, Base: expr.PayloadBaseNetworkHeader, Offset: at.dest, Len: at.length},
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: next + at.length/4},
			&expr.Payload{DestRegister: next + at.length/4 + 1, Base: expr.PayloadBaseTransportHeader, Offset: 0, Len: 2},
			&expr.Payload{DestRegister: next + at.length/4 + 2, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2},
			&expr.Lookup{SourceRegister: register, SetName: cutSetName(f, true)},
		),
	}
}

// Directions of a connection (enum ip_conntrack_dir).
const (
	ctOriginal = 0
	ctReply    = 1
)

// inCutOther matches a packet by who opened its connection to whom, and its protocol (Linux 4.17).
func inCutOther(f ruleset.Family) term {
	at, first := fields[f], uint32(unix.NFT_REG32_00)
	key := map[ruleset.Family]expr.CtKey{ruleset.IPv4: expr.CtKeySRCIP, ruleset.IPv6: expr.CtKeySRCIP6}[f]
	return term{
		text: fmt.Sprintf("ct original %s saddr . ct reply %s saddr . meta l4proto @%s", at.word, at.word, cutSetName(f, false)),
		exprs: []expr.Any{
			&expr.Ct{Key: key, Direction: ctOriginal, Register: first},
			&expr.Ct{Key: key, Direction: ctReply, Register: first + at.length/4},
			&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: first + at.length/2},
			&expr.Lookup{SourceRegister: register, SetName: cutSetName(f, false)},
		},
	}
}

// Cuts lists the connections that are cut, sorted.
func (b *Backend) Cuts(context.Context) ([]ruleset.Connection, error) {
	cuts, err := b.cuts()
	if err != nil {
		err = errors.Join(fmt.Errorf("list cut connections: %w", err), b.hangUp())
	}
	return cuts, err
}

func (b *Backend) cuts() ([]ruleset.Connection, error) {
	conn, err := b.dial()
	if err != nil {
		return nil, err
	}
	sets, err := conn.GetSets(table(0))
	if err != nil {
		return nil, err
	}
	var cuts []ruleset.Connection
	for _, s := range sets {
		f, ports, ok := parseCutSet(s.Name)
		if !ok {
			continue
		}
		list, err := elements(conn, s)
		if err != nil {
			return nil, err
		}
		cuts = append(cuts, decodeCuts(f, ports, list)...)
	}
	slices.SortFunc(cuts, ruleset.Connection.Compare)
	return cuts, nil
}

// parseCutSet reads the name of a set of connections.
func parseCutSet(name string) (f ruleset.Family, ports, ok bool) {
	for _, f := range ruleset.Families {
		for _, ports := range []bool{true, false} {
			if name == cutSetName(f, ports) {
				return f, ports, true
			}
		}
	}
	return 0, false, false
}

// Cut makes the kernel drop every packet of some connections, or of some no longer, in one transaction. After
// an error nothing is known of either.
func (b *Backend) Cut(_ context.Context, c ruleset.Cuts) error {
	if c.Empty() {
		return nil
	}
	if err := b.cut(c); err != nil {
		return errors.Join(fmt.Errorf("cut connections: %w", err), b.hangUp())
	}
	return nil
}

func (b *Backend) cut(c ruleset.Cuts) error {
	conn, err := b.writer()
	if err != nil {
		return err
	}
	if err := b.claim(conn); err != nil {
		return err
	}
	cutting, err := hasCutChain(conn)
	if err != nil {
		return err
	}
	batch := batch{conn: conn, table: table(0)}
	if len(c.Add) > 0 && !cutting {
		batch.addCutFrame()
	}
	batch.cuts(conn.SetAddElements, c.Add)
	batch.cuts(conn.SetDeleteElements, c.Lift)
	if c.Last && (cutting || len(c.Add) > 0) {
		batch.delCutFrame()
	}
	if err := errors.Join(batch.errs...); err != nil {
		return err
	}
	b.checked = 0
	return b.count(b.flush(conn, 0))
}

func hasCutChain(conn *nftables.Conn) (bool, error) {
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	return slices.ContainsFunc(chains, func(c *nftables.Chain) bool { return c.Table.Name == tableName && c.Name == cutChain }), err
}

func (b *batch) addCutFrame() {
	b.eachCutSet(func(s *nftables.Set) { b.fail(b.conn.AddSet(s, nil)) })
	b.addFrameChain(cutFrame())
}

func (b *batch) delCutFrame() {
	b.conn.FlushChain(b.chain(cutChain))
	b.conn.DelChain(b.chain(cutChain))
	b.eachCutSet(b.conn.DelSet)
}

func (b *batch) eachCutSet(do func(*nftables.Set)) {
	for _, f := range ruleset.Families {
		for _, ports := range []bool{true, false} {
			do(b.cutSet(f, ports))
		}
	}
}

// cuts changes the elements of the sets.
func (b *batch) cuts(do change, list []ruleset.Connection) {
	elements := map[string][]nftables.SetElement{}
	for _, c := range list {
		name := cutSetName(ruleset.FamilyOf(c.From.Addr()), c.Proto.HasPorts())
		elements[name] = append(elements[name], encodeCut(c)...)
	}
	b.eachCutSet(func(s *nftables.Set) {
		if len(elements[s.Name]) > 0 {
			b.fail(do(s, elements[s.Name]))
		}
	})
}

// encodeCut turns a connection into the keys that its packets are looked up by.
func encodeCut(c ruleset.Connection) []nftables.SetElement {
	if !c.Proto.HasPorts() {
		return []nftables.SetElement{{Key: slices.Concat(c.From.Addr().AsSlice(), c.To.Addr().AsSlice(), []byte{byte(c.Proto), 0, 0, 0})}}
	}
	return []nftables.SetElement{{Key: cutKey(c.From, c.To, c.Proto)}, {Key: cutKey(c.To, c.From, c.Proto), Comment: answers}}
}

// cutKey pads each field to 4 bytes.
func cutKey(source, destination netip.AddrPort, proto ruleset.Protocol) []byte {
	return slices.Concat(
		source.Addr().AsSlice(), destination.Addr().AsSlice(), []byte{byte(proto), 0, 0, 0},
		port16(source.Port()), []byte{0, 0}, port16(destination.Port()), []byte{0, 0},
	)
}

func decodeCuts(f ruleset.Family, ports bool, elements []nftables.SetElement) []ruleset.Connection {
	var cuts []ruleset.Connection
	for _, e := range elements {
		if c, ok := decodeCut(f, ports, e.Key); ok && e.Comment != answers {
			cuts = append(cuts, c)
		}
	}
	return cuts
}

func decodeCut(f ruleset.Family, ports bool, key []byte) (ruleset.Connection, bool) {
	length := int(fields[f].length)
	want := 2*length + 4
	if ports {
		want += 8
	}
	if len(key) != want {
		return ruleset.Connection{}, false
	}
	from, _ := netip.AddrFromSlice(key[:length])
	to, _ := netip.AddrFromSlice(key[length : 2*length])
	rest := key[2*length:]
	c := ruleset.Connection{Proto: ruleset.Protocol(rest[0])}
	if ports {
		c.From = netip.AddrPortFrom(from, uint16(rest[4])<<8|uint16(rest[5]))
		c.To = netip.AddrPortFrom(to, uint16(rest[8])<<8|uint16(rest[9]))
		return c, true
	}
	c.From, c.To = netip.AddrPortFrom(from, 0), netip.AddrPortFrom(to, 0)
	return c, true
}
