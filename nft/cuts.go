package nft

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/google/nftables"

	"github.com/picket-project/picket/ruleset"
)

// Cuts lists what is cut, sorted.
func (b *Backend) Cuts(context.Context) (ruleset.Cuts, error) {
	cuts, err := b.cuts()
	if err != nil {
		err = errors.Join(fmt.Errorf("list cut connections: %w", err), b.hangUp())
	}
	return cuts, err
}

// cuts reads the sets of cuts in the kernel; without such sets nothing is cut.
func (b *Backend) cuts() (cuts ruleset.Cuts, err error) {
	conn, err := b.dial()
	if err != nil {
		return cuts, err
	}
	sets, err := conn.GetSets(table(0))
	if err != nil {
		return cuts, err
	}
	for _, s := range sets {
		f, kind, ok := parseCutSet(s.Name)
		if !ok {
			continue
		}
		list, err := elements(conn, s)
		if err != nil {
			return cuts, err
		}
		for _, e := range list {
			decodeCut(&cuts, f, kind, e.Key)
		}
	}
	cuts.Sort()
	return cuts, nil
}

// Cut changes what is cut, in one transaction. After an error nothing is known of it.
func (b *Backend) Cut(_ context.Context, c ruleset.CutChange) error {
	if c.Empty() {
		return nil
	}
	if err := b.cut(c); err != nil {
		return errors.Join(fmt.Errorf("cut connections: %w", err), b.hangUp())
	}
	return nil
}

// cut sends one transaction, or none. It makes chains and sets for the first cut and removes them
// after the last one, so that packets are looked up only while anything is cut.
func (b *Backend) cut(c ruleset.CutChange) error {
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
	// Only the chains should go, and they are not there.
	if c.Add.Len()+c.Lift.Len() == 0 && !cutting {
		return nil
	}
	batch := batch{conn: conn, table: table(0)}
	if c.Add.Len() > 0 && !cutting {
		batch.addCutFrame()
	}
	batch.cuts(conn.SetDeleteElements, c.Lift)
	batch.cuts(conn.SetAddElements, c.Add)
	if c.Last && (cutting || c.Add.Len() > 0) {
		batch.delCutFrame()
	}
	if err := errors.Join(batch.errs...); err != nil {
		return err
	}
	b.checked = 0
	return b.count(b.flush(conn, 0))
}

// hasCutChain asks the kernel whether the chains and sets of cuts are there, by one of them.
func hasCutChain(conn *nftables.Conn) (bool, error) {
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	isCut := func(c *nftables.Chain) bool { return c.Table.Name == tableName && c.Name == cutChain }
	return slices.ContainsFunc(chains, isCut), err
}

// addCutFrame makes the sets of cuts, empty, and then the chains that look them up.
func (b *batch) addCutFrame() {
	for _, s := range cutSets() {
		b.fail(b.conn.AddSet(s, nil))
	}
	for _, c := range cutFrame() {
		b.addFrameChain(c)
	}
}

// delCutFrame removes the chains of cuts and then the sets, which are in use until the chains'
// rules have gone.
func (b *batch) delCutFrame() {
	for _, c := range cutFrame() {
		b.conn.FlushChain(b.chain(c.name))
		b.conn.DelChain(b.chain(c.name))
	}
	for _, s := range cutSets() {
		b.conn.DelSet(s)
	}
}

// cuts changes the elements of the sets.
func (b *batch) cuts(do change, c ruleset.Cuts) {
	elements := map[string][]nftables.SetElement{}
	add := func(f ruleset.Family, k cutKind, key []byte) {
		name := cutSetName(f, k)
		elements[name] = append(elements[name], nftables.SetElement{Key: key})
	}
	for _, flow := range c.Flows {
		kind, key := encodeFlow(flow)
		add(ruleset.FamilyOf(flow.From), kind, key)
	}
	for _, client := range c.Clients {
		key := slices.Concat(client.Addr.AsSlice(), []byte{byte(client.Proto), 0, 0, 0})
		add(ruleset.FamilyOf(client.Addr), cutClients, key)
	}
	for _, s := range cutSets() {
		if len(elements[s.Name]) > 0 {
			b.fail(do(s, elements[s.Name]))
		}
	}
}

// encodeFlow pads each field to 4 bytes.
func encodeFlow(f ruleset.Flow) (cutKind, []byte) {
	ends := slices.Concat(f.From.AsSlice(), f.To.AsSlice())
	if f.Proto == ruleset.AnyProtocol {
		return cutPairs, ends
	}
	return cutFlows, slices.Concat(ends, []byte{byte(f.Proto), 0, 0, 0}, port16(f.Port),
		[]byte{0, 0})
}

// decodeCut takes an element of a set in.
func decodeCut(cuts *ruleset.Cuts, f ruleset.Family, k cutKind, key []byte) {
	length := int(fields[f].length)
	if len(key) != [...]int{cutFlows: 2*length + 8, cutPairs: 2 * length,
		cutClients: length + 4}[k] {
		return
	}
	first, _ := netip.AddrFromSlice(key[:length])
	if k == cutClients {
		client := ruleset.Client{Addr: first, Proto: ruleset.Protocol(key[length])}
		cuts.Clients = append(cuts.Clients, client)
		return
	}
	second, _ := netip.AddrFromSlice(key[length : 2*length])
	flow := ruleset.Flow{From: first, To: second}
	if rest := key[2*length:]; k == cutFlows {
		flow.Proto, flow.Port = ruleset.Protocol(rest[0]), uint16(rest[4])<<8|uint16(rest[5])
	}
	cuts.Flows = append(cuts.Flows, flow)
}
