package nft

import (
	"errors"
	"fmt"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"

	"github.com/picket-project/picket/ruleset"
)

// listing is what the kernel holds in the table.
type listing struct {
	table  *nftables.Table // nil: there is none
	chains map[string]*nftables.Chain
	rules  map[string][]*nftables.Rule
	// of the elements of the sets that say who is behind which interface
	behind    behindCounts
	features  Features                         // of the kernel; the form of the frame depends on them
	encoding  encoding                         // that chains must have
	strict    bool                             // the frame is that of a strict program
	sets      map[string]*nftables.Set         // that have a name
	anonymous map[string][]nftables.SetElement // of sets that stand in rules
	// a set of a type, or a rule, that the library can't read is there
	alien bool
}

// flags are those of the table. The kernel refuses to change some of them on a table that is
// there (persist, Linux 6.9), even in the transaction that deletes it.
func (l listing) flags() nftables.TableFlags {
	if l.table == nil {
		return 0
	}
	return l.table.Flags
}

// list lists a table of a family and name.
func (b *Backend) list(conn *nftables.Conn, table *nftables.Table) (listing, error) {
	l := listing{
		chains: map[string]*nftables.Chain{}, rules: map[string][]*nftables.Rule{},
		sets: map[string]*nftables.Set{}, anonymous: map[string][]nftables.SetElement{},
	}
	var err error
	if l.table, err = findTable(conn, table); err != nil || l.table == nil {
		return l, err
	}
	return l, errors.Join(b.listChains(conn, &l), l.listSets(conn), l.listBehind(conn))
}

// listBehind counts who is behind which interface: the form of the frame depends on it.
func (l *listing) listBehind(conn *nftables.Conn) error {
	l.behind = behindCounts{}
	for _, f := range ruleset.Families {
		id := ruleset.Behind(f)
		if s := l.sets[id.String()]; s != nil {
			list, err := elements(conn, s)
			if err != nil {
				return err
			}
			l.behind.add(id, decodeMembers(id, list), 1)
		}
	}
	return nil
}

// listChains lists the table's chains with their rules. The kernel lists the chains of a whole
// family, so those of other tables are left out. A rule that the library can't read is like such a
// set: somebody else's, for which the table must be made anew.
func (b *Backend) listChains(conn *nftables.Conn, l *listing) error {
	chains, err := conn.ListChainsOfTableFamily(l.table.Family)
	if err != nil {
		return fmt.Errorf("list chains: %w", err)
	}
	for _, c := range chains {
		if c.Table.Name != l.table.Name {
			continue
		}
		l.chains[c.Name] = c
		var refused *netlink.OpError
		l.rules[c.Name], err = b.rules(conn, l.table, c)
		switch {
		case errors.As(err, &refused):
			return fmt.Errorf("list rules of %s: %w", c.Name, err)
		case err != nil:
			l.alien = true
		}
	}
	return nil
}

// listSets lists the table's sets and maps, and the elements of those that stand in rules. A set
// that the library can't read is no error: it makes the table one that must be made anew.
func (l *listing) listSets(conn *nftables.Conn) error {
	sets, err := conn.GetSets(l.table)
	var refused *netlink.OpError
	switch {
	case errors.As(err, &refused):
		return fmt.Errorf("list sets: %w", err)
	case err != nil: // the library's own: it knows no type of six fields, for instance
		l.alien = true
	}
	for _, s := range sets {
		if !s.Anonymous {
			l.sets[s.Name] = s
		} else if l.anonymous[s.Name], err = elements(conn, s); err != nil {
			return err
		}
	}
	return nil
}

// elements lists a set. The kernel rebuilds the hash table of a set that grew behind the
// transaction. A listing that meets this shows some elements twice and lacks as many others,
// since each of its messages walks the table anew and skips as many elements as were shown before
// (nft_rhash_walk, seen on Linux 6.18 from 50,000 elements on): it does not count.
func elements(conn *nftables.Conn, s *nftables.Set) ([]nftables.SetElement, error) {
	for range maxListings {
		list, err := conn.GetSetElements(s)
		if err != nil {
			return nil, fmt.Errorf("list elements of %s: %w", s.Name, err)
		}
		if !repeats(list) {
			return list, nil
		}
	}
	return nil, fmt.Errorf("list elements of %s: the kernel was rebuilding the set all %d times",
		s.Name, maxListings)
}

// maxListings is far more than it takes: a table is rebuilt faster than it is listed.
const maxListings = 20

// repeats reports whether an element is there twice.
func repeats(elements []nftables.SetElement) bool {
	type identity struct {
		key, keyEnd string
		intervalEnd bool
	}
	seen := make(map[identity]struct{}, len(elements))
	for _, e := range elements {
		seen[identity{string(e.Key), string(e.KeyEnd), e.IntervalEnd}] = struct{}{}
	}
	return len(seen) < len(elements)
}
