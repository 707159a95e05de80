package nft

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"

	"github.com/picket-project/picket/ruleset"
)

// listing is what the kernel holds in the table.
type listing struct {
	table     *nftables.Table // nil: there is none
	chains    map[string]*nftables.Chain
	rules     map[string][]*nftables.Rule
	sets      []*nftables.Set                  // that have a name
	anonymous map[string][]nftables.SetElement // of sets that stand in rules
	alien     bool                             // a set of a type that the library can't read is there
}

// flags are those of the table. The kernel refuses to change some of them on a table that is there (persist,
// Linux 6.9), even in the transaction that deletes it.
func (l listing) flags() nftables.TableFlags {
	if l.table == nil {
		return 0
	}
	return l.table.Flags
}

func list(conn *nftables.Conn) (listing, error) {
	l := listing{
		chains: map[string]*nftables.Chain{}, rules: map[string][]*nftables.Rule{}, anonymous: map[string][]nftables.SetElement{},
	}
	var err error
	if l.table, err = findTable(conn); err != nil || l.table == nil {
		return l, err
	}
	return l, errors.Join(l.listChains(conn), l.listSets(conn))
}

func (l *listing) listChains(conn *nftables.Conn) error {
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return fmt.Errorf("list chains: %w", err)
	}
	for _, c := range chains {
		if c.Table.Name != tableName {
			continue
		}
		l.chains[c.Name] = c
		if l.rules[c.Name], err = conn.GetRules(l.table, c); err != nil {
			return fmt.Errorf("list rules of %s: %w", c.Name, err)
		}
	}
	return nil
}

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
			l.sets = append(l.sets, s)
		} else if l.anonymous[s.Name], err = elements(conn, s); err != nil {
			return err
		}
	}
	return nil
}

// elements lists a set. The kernel rebuilds the hash table of a set that grew behind the transaction. A
// listing that meets this shows some elements twice and lacks as many others, since each of its messages
// walks the table anew and skips as many elements as were shown before (nft_rhash_walk, seen on Linux 6.18
// from 50,000 elements on): it does not count.
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
	return nil, fmt.Errorf("list elements of %s: the kernel was rebuilding the set all %d times", s.Name, maxListings)
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

// frameIntact compares the frame's chains rule by rule and looks for its sets and for chains that are neither
// the frame's nor a pod's. A table may also be put to sleep as a whole.
func (l listing) frameIntact(strict bool) bool {
	if l.table == nil || l.table.Flags&nftables.TableFlagDormant != 0 || l.alien {
		return false
	}
	want := frame(strict)
	if l.chains[cutChain] != nil {
		want = append(want, cutFrame())
	}
	for _, c := range want {
		if !slices.Equal(l.contents(c.name), contentsOf(c.rules)) || !hooked(l.chains[c.name], c) {
			return false
		}
	}
	for name := range l.chains {
		isFrame := slices.ContainsFunc(want, func(c frameChain) bool { return c.name == name })
		if !isFrame && !strings.Contains(name, "/") {
			return false
		}
	}
	return l.hasFrameSets()
}

func hooked(have *nftables.Chain, want frameChain) bool {
	switch {
	case have == nil:
		return false
	case want.hook == nil:
		return have.Hooknum == nil
	default:
		return have.Hooknum != nil && *have.Hooknum == want.hook.number && *have.Priority == want.hook.priority &&
			have.Policy != nil && *have.Policy == nftables.ChainPolicyAccept
	}
}

func (l listing) hasFrameSets() bool {
	for _, f := range ruleset.Families {
		for _, ports := range []bool{true, false} {
			if l.hasSet(cutSetName(f, ports)) != (l.chains[cutChain] != nil) {
				return false
			}
		}
	}
	names := []string{linkSet}
	for _, d := range ruleset.Directions {
		for _, f := range ruleset.Families {
			names = append(names, mapName(d, f))
		}
	}
	return !slices.ContainsFunc(names, func(name string) bool { return !l.hasSet(name) })
}

func (l listing) hasSet(name string) bool {
	return slices.ContainsFunc(l.sets, func(s *nftables.Set) bool { return s.Name == name })
}

// digest reads the seal of a pod's chain; it is empty where the chain is not what it was.
func (l listing) digest(chain string) string {
	rules := l.rules[chain]
	if len(rules) == 0 {
		return ""
	}
	last := rules[len(rules)-1]
	contents := l.contents(chain)
	contents[len(contents)-1] = content(l.exprTexts(last), "")
	return unseal(comment(last), contents)
}
