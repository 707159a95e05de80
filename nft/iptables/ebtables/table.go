package ebtables

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Chain is a chain with its rules.
type Chain struct {
	Name   string
	Rules  []Rule
	policy string // what happens at its end
}

// same reports whether two chains do the same.
func (c Chain) same(o Chain) bool {
	return c.Name == o.Name && c.policy == o.policy &&
		slices.EqualFunc(c.Rules, o.Rules, Rule.same)
}

// Table is one table as it was read.
type Table struct {
	name   string
	hooks  uint32 // a bit for each base chain
	rules  int    // how many it was read with
	chains []Chain
}

// Layout is what somebody wants in a table.
type Layout struct {
	Table  string
	Chains []Chain // they return at their ends
	Hooks  []Hook
}

// Hook is a rule that leads from a chain of the kernel to another one, as its first.
type Hook struct{ Base, Chain string }

// String is a layout as commands of the program.
func (l Layout) String() string {
	var b strings.Builder
	for _, c := range l.Chains {
		fmt.Fprintf(&b, "-t %s -N %s -P %s\n", l.Table, c.Name, Return)
	}
	for _, c := range l.Chains {
		for _, r := range c.Rules {
			fmt.Fprintf(&b, "-t %s -A %s %s\n", l.Table, c.Name, r)
		}
	}
	for _, h := range l.Hooks {
		fmt.Fprintf(&b, "-t %s -I %s 1 %s\n", l.Table, h.Base, NewRule(h.Chain))
	}
	return b.String()
}

// ours tells which chains belong to who asks.
type ours = func(chain string) bool

// Has reports whether a table holds a layout, and no other chain of ours.
func (t Table) Has(l Layout, isOurs ours) bool {
	return slices.EqualFunc(t.chains, t.With(l, isOurs).chains, Chain.same)
}

// Holds reports whether there is any chain of ours.
func (t Table) Holds(isOurs ours) bool {
	return slices.ContainsFunc(t.chains, func(c Chain) bool { return isOurs(c.Name) })
}

// With returns the table with a layout in place of all chains of ours. Nothing else changes.
func (t Table) With(l Layout, isOurs ours) Table {
	with := t
	with.chains = nil
	for _, c := range t.chains {
		if isOurs(c.Name) {
			continue
		}
		c.Rules = slices.DeleteFunc(slices.Clone(c.Rules),
			func(r Rule) bool { return isOurs(r.to) })
		for _, h := range l.Hooks {
			if h.Base == c.Name && slices.Contains(bases[:], c.Name) {
				c.Rules = slices.Insert(c.Rules, 0, NewRule(h.Chain))
			}
		}
		with.chains = append(with.chains, c)
	}
	for _, c := range l.Chains {
		c.policy = Return
		with.chains = append(with.chains, c)
	}
	return with
}

// Sketch says which rules of ours there are, as text that is the same as long as they are.
func (t Table) Sketch(isOurs ours) string {
	var b strings.Builder
	for _, c := range t.chains {
		for i, r := range c.Rules {
			if isOurs(c.Name) || isOurs(r.to) {
				fmt.Fprintf(&b, "%s %d %q %s\n", c.Name, i, r.body, r.to)
			}
		}
		if isOurs(c.Name) {
			fmt.Fprintln(&b, c.Name, c.policy)
		}
	}
	return b.String()
}

// errFormat says that a table is not as this package knows tables.
var errFormat = errors.New("a table of ebtables of another format")

// decode reads the chains of a table.
func decode(name string, hooks uint32, entries []byte) (Table, error) {
	t := Table{name: name, hooks: hooks}
	names := map[int]string{} // of chains, by their places
	leads := map[[2]int]int{} // places that rules lead to, by the numbers of chain and rule
	for at := 0; at < len(entries); {
		rest := entries[at:]
		if len(rest) < sizeOfChain {
			return t, errFormat
		}
		if u32(rest) == 0 {
			c, err := t.decodeChain(rest)
			if err != nil {
				return t, err
			}
			names[at] = c.Name
			t.chains = append(t.chains, c)
			at += sizeOfChain
			continue
		}
		r, place, err := decodeRule(rest)
		if err != nil || len(t.chains) == 0 {
			return t, errFormat
		}
		t.rules++
		r.read = t.rules
		c := &t.chains[len(t.chains)-1]
		if place >= 0 {
			leads[[2]int{len(t.chains) - 1, len(c.Rules)}] = place
		}
		c.Rules = append(c.Rules, r)
		at += len(r.body)
	}
	for rule, place := range leads {
		to, there := names[place]
		if !there {
			return t, errFormat
		}
		t.chains[rule[0]].Rules[rule[1]].to = to
	}
	return t, nil
}

// decodeChain reads the head of a chain.
func (t Table) decodeChain(b []byte) (c Chain, err error) {
	c.Name = text(b[nameAt:counterAt])
	count := 0
	for hook, base := range bases {
		if t.hooks>>hook&1 == 1 {
			if count == len(t.chains) { // base chains come first, in the order of their hooks
				c.Name = base
			}
			count++
		}
	}
	c.policy, err = verdict(int32(u32(b[policyAt:])))
	return c, err
}

// decodeRule reads a rule; place is that of the chain it leads to, or -1.
func decodeRule(b []byte) (r Rule, place int, err error) {
	if len(b) < sizeOfEntry {
		return r, -1, errFormat
	}
	target, next := int(u32(b[targetAt:])), int(u32(b[nextAt:]))
	if target < sizeOfEntry || next < target+sizeOfTarget || next > len(b) {
		return r, -1, errFormat
	}
	body := slices.Clone(b[:next])
	if text(body[target:target+maxName]) != standard {
		return Rule{body: string(body)}, -1, nil
	}
	at := target + sizeOfTarget
	if next < at+sizeOfVerdict {
		return r, -1, errFormat
	}
	number := int32(u32(body[at:]))
	clear(body[at : at+sizeOfVerdict])
	r.body = string(body)
	if number >= 0 {
		return r, int(number), nil
	}
	r.to, err = verdict(number)
	return r, -1, err
}

// verdict is the word for a verdict.
func verdict(number int32) (string, error) {
	if number >= 0 || int(-number) > len(verdicts) {
		return "", errFormat
	}
	return verdicts[-number-1], nil
}

// text reads a name up to the zero that ends it.
func text(b []byte) string {
	name, _, _ := strings.Cut(string(b), "\x00")
	return name
}

// encode is what the kernel takes for the chains of a table, with the place of each chain.
func (t Table) encode() (entries []byte, places map[string]int, err error) {
	places = map[string]int{}
	size := 0
	for _, c := range t.chains {
		if _, twice := places[c.Name]; twice || len(c.Name) > maxName {
			return nil, nil, fmt.Errorf("no name for another chain: %q", c.Name)
		}
		places[c.Name] = size
		size += sizeOfChain
		for _, r := range c.Rules {
			size += len(r.body)
		}
	}
	entries = make([]byte, 0, size)
	rules := 0
	for _, c := range t.chains {
		entries = append(entries, c.head(rules)...)
		rules += len(c.Rules)
		for _, r := range c.Rules {
			start := len(entries)
			entries = append(entries, r.body...)
			if r.to == "" {
				continue
			}
			number, err := placeOf(r.to, places)
			if err != nil {
				return nil, nil, err
			}
			at := start + int(u32(entries[start+targetAt:])) + sizeOfTarget
			put32(entries[at:], uint32(number))
		}
	}
	return entries, places, nil
}

// head is struct ebt_entries of a chain before which there are some rules.
func (c Chain) head(before int) []byte {
	b := make([]byte, sizeOfChain)
	copy(b[nameAt:], c.Name)
	put32(b[counterAt:], uint32(before))
	put32(b[policyAt:], uint32(-1-slices.Index(verdicts[:], c.policy)))
	put32(b[lengthAt:], uint32(len(c.Rules)))
	return b
}

// placeOf is the number that leads to a verdict or chain.
func placeOf(to string, places map[string]int) (int, error) {
	if i := slices.Index(verdicts[:], to); i >= 0 {
		return -1 - i, nil
	}
	place, there := places[to]
	if !there {
		return 0, fmt.Errorf("no chain %q", to)
	}
	return place, nil
}
