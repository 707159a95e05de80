package nft

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"

	"github.com/picket-project/picket/ruleset"
)

// listing is what the kernel holds in the table.
type listing struct {
	chains map[string]*nftables.Chain
	rules  map[string][]*nftables.Rule
	sets   []*nftables.Set // that have a name
}

// Observe says what the kernel holds, after it has claimed the table. ErrHeld: the table is not this
// process's to change.
func (b *Backend) Observe(context.Context) (ruleset.Observed, error) {
	o, err := b.observe()
	if err != nil {
		err = errors.Join(fmt.Errorf("observe: %w", err), b.Close())
	}
	return o, err
}

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
	if b.found, err = list(conn); err != nil {
		return none, err
	}
	o, err := b.found.observed(conn)
	if err != nil {
		return none, err
	}
	b.checked = generation.ID
	return o, nil
}

func list(conn *nftables.Conn) (listing, error) {
	l := listing{chains: map[string]*nftables.Chain{}, rules: map[string][]*nftables.Rule{}}
	t, err := findTable(conn)
	if err != nil || t == nil {
		return l, err
	}
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyINet)
	if err != nil {
		return l, fmt.Errorf("list chains: %w", err)
	}
	for _, c := range chains {
		if c.Table.Name != tableName {
			continue
		}
		l.chains[c.Name] = c
		if l.rules[c.Name], err = conn.GetRules(t, c); err != nil {
			return l, fmt.Errorf("list rules of %s: %w", c.Name, err)
		}
	}
	sets, err := conn.GetSets(t)
	if err != nil {
		return l, fmt.Errorf("list sets: %w", err)
	}
	l.sets = slices.DeleteFunc(sets, func(s *nftables.Set) bool { return s.Anonymous })
	return l, nil
}

// observed reads the listing. Intact is false if anything is missing, not as it should be, or unknown.
func (l listing) observed(conn *nftables.Conn) (ruleset.Observed, error) {
	o := ruleset.Observed{
		Sets: map[ruleset.SetID][]ruleset.Member{}, Chains: map[ruleset.ChainID]string{}, Dispatch: map[ruleset.Subject]ruleset.ChainID{},
	}
	if !l.frameIntact() {
		return o, nil
	}
	o.Intact = true
	for name := range l.chains {
		if strings.Contains(name, "/") {
			o.Chains[ruleset.ChainID(name)] = l.digest(name)
		}
	}
	for _, s := range l.sets {
		elements, err := conn.GetSetElements(s)
		if err != nil {
			return o, fmt.Errorf("list elements of %s: %w", s.Name, err)
		}
		if !readSet(&o, s, elements) {
			o.Intact = false
		}
	}
	slices.Sort(o.Links)
	return o, nil
}

// frameIntact compares the frame's chains rule by rule, by their comments, and looks for its sets and for
// chains that are neither the frame's nor a pod's. The first comment holds the digest of the whole frame.
func (l listing) frameIntact() bool {
	want := frame()
	for _, c := range want {
		if !slices.Equal(comments(l.rules[c.name]), ruleComments(c.rules)) || !hooked(l.chains[c.name], c) {
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
		return have.Hooknum != nil && *have.Hooknum == *want.hook && *have.Priority == priority &&
			have.Policy != nil && *have.Policy == nftables.ChainPolicyAccept
	}
}

func (l listing) hasFrameSets() bool {
	names := []string{linkSet}
	for _, d := range ruleset.Directions {
		for _, f := range ruleset.Families {
			names = append(names, mapName(d, f))
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(l.sets, func(s *nftables.Set) bool { return s.Name == name }) {
			return false
		}
	}
	return true
}

func comments(rules []*nftables.Rule) []string {
	var texts []string
	for _, r := range rules {
		text, _ := userdata.GetString(r.UserData, userdata.TypeComment)
		texts = append(texts, text)
	}
	return texts
}

func ruleComments(rules []rule) []string {
	var texts []string
	for _, r := range rules {
		texts = append(texts, clip(r.comment))
	}
	return texts
}

// digest reads the seal of a pod's chain; it is empty where the chain is not what it was.
func (l listing) digest(chain string) string {
	texts := comments(l.rules[chain])
	if len(texts) == 0 {
		return ""
	}
	return unseal(texts[len(texts)-1], len(texts))
}

// readSet takes the elements of one set in; it reports whether the set is one of ours.
func readSet(o *ruleset.Observed, s *nftables.Set, elements []nftables.SetElement) bool {
	if s.Name == linkSet {
		for _, e := range elements {
			o.Links = append(o.Links, string(bytes.TrimRight(e.Key, "\x00")))
		}
		return true
	}
	for _, d := range ruleset.Directions {
		for _, f := range ruleset.Families {
			if s.Name == mapName(d, f) {
				readDispatch(o, d, elements)
				return true
			}
		}
	}
	id, ok := parseSetID(s.Name)
	if ok {
		o.Sets[id] = decodeMembers(id, elements)
	}
	return ok
}

func readDispatch(o *ruleset.Observed, d ruleset.Direction, elements []nftables.SetElement) {
	for _, e := range elements {
		if addr, ok := netip.AddrFromSlice(e.Key); ok {
			o.Dispatch[ruleset.Subject{Direction: d, Addr: addr}] = ruleset.ChainID(e.Comment)
		}
	}
}

// parseSetID reads the name of a set of the program.
func parseSetID(name string) (ruleset.SetID, bool) {
	_, key, _ := strings.Cut(name, "-")
	for _, kind := range []ruleset.SetKind{ruleset.Addresses, ruleset.AddressPorts, ruleset.Ranges} {
		for _, f := range ruleset.Families {
			if id := (ruleset.SetID{Kind: kind, Family: f, Key: key}); id.String() == name {
				return id, true
			}
		}
	}
	return ruleset.SetID{}, false
}

func decodeMembers(id ruleset.SetID, elements []nftables.SetElement) []ruleset.Member {
	if id.Kind == ruleset.Ranges {
		return decodeRanges(elements)
	}
	var members []ruleset.Member
	for _, e := range elements {
		if m, ok := decodeMember(id, e.Key); ok {
			members = append(members, m)
		}
	}
	return members
}

// decodeRanges pairs each first address with the next address after a range; without one, the range goes
// on to the last address of all.
func decodeRanges(elements []nftables.SetElement) []ruleset.Member {
	slices.SortFunc(elements, func(a, b nftables.SetElement) int {
		if order := bytes.Compare(a.Key, b.Key); order != 0 || a.IntervalEnd == b.IntervalEnd {
			return order
		} else if a.IntervalEnd {
			return -1
		}
		return 1
	})
	var members []ruleset.Member
	for i, e := range elements {
		if e.IntervalEnd {
			continue
		}
		first, _ := netip.AddrFromSlice(e.Key)
		last := ruleset.RangeOf(netip.PrefixFrom(first, 0)).Last
		if i+1 < len(elements) && elements[i+1].IntervalEnd {
			after, _ := netip.AddrFromSlice(elements[i+1].Key)
			last = after.Prev()
		}
		members = append(members, ruleset.Member{Addr: first, Last: last})
	}
	return members
}
