package ruleset

import (
	"fmt"
	"slices"
	"strings"
)

// Delta is what must change for a kernel to hold a program. A backend carries each of its Steps out in one transaction,
// all or nothing, field by field: that is the order in which no kernel object is in use when it goes and
// every one is there when it is referred to.
type Delta struct {
	Clear       bool       // all that was in the table goes first; packets on their way may see it empty
	Frame       bool       // table and base chains are made anew, at once for every packet, around what is there
	Strict      bool       // of the new frame
	DelLinks    []string   // interfaces of Program.Links
	AddLinks    []string   //
	DelDispatch []Dispatch // with the chain that is given up
	DelMembers  []Members  //
	AddSets     []Set      // new, with all their members
	AddMembers  []Members  //
	PutChains   []PutChain // new chains, or chains with other rules; the new are there, without rules, before AddSets
	AddDispatch []Dispatch //
	DelChains   []ChainID  // their rules go before DelSets
	DelSets     []SetID    // with all their members, which are in DelMembers if they lead to chains
}

// Members is some elements of one set that stays.
type Members struct {
	Set     SetID
	Members []Member // sorted, not empty
}

// PutChain gives a chain its rules.
type PutChain struct {
	Chain
	New bool // the chain is not there yet; else its rules are replaced
}

// Empty reports whether nothing must change.
func (d *Delta) Empty() bool {
	return !d.Frame && len(d.DelLinks)+len(d.AddLinks)+len(d.DelDispatch)+len(d.DelMembers)+len(d.AddSets)+
		len(d.AddMembers)+len(d.PutChains)+len(d.AddDispatch)+len(d.DelChains)+len(d.DelSets) == 0
}

// Steps are the transactions that a delta is carried out in: one, where there is no reason for more. A packet takes the
// rules of chains as they were when it came, but looks up in sets as they are by then.
func (d Delta) Steps() []Delta { return d.steps(poured) }

// poured is how many members a new set has at first, if it will have more.
const poured = 2048

func (d Delta) steps(atFirst int) []Delta {
	if d.Frame {
		return []Delta{d}
	}
	fillings, rest := d.fillings(atFirst)
	first, rest := rest.groundwork()
	rest, last := rest.clearance()
	return slices.DeleteFunc(append(fillings, first, rest, last), func(d Delta) bool { return d.Empty() })
}

// fillings splits large new sets off, which nothing looks up yet: some members, then as many again as are there, and so
// on. The kernel's hash tables grow between transactions only, so that one of 100,000 elements takes 1.7 times as long
// (Linux 6.18).
func (d Delta) fillings(atFirst int) (fillings []Delta, rest Delta) {
	rest = d
	rest.AddSets = nil
	for _, s := range d.AddSets {
		if !s.ID.hashed() || len(s.Members) <= atFirst {
			rest.AddSets = append(rest.AddSets, s)
			continue
		}
		all := s.Members
		s.Members = all[:atFirst]
		fillings = append(fillings, Delta{AddSets: []Set{s}})
		for have := atFirst; have < len(all); have *= 2 {
			more := Members{s.ID, all[have:min(2*have, len(all))]}
			fillings = append(fillings, Delta{AddMembers: []Members{more}})
		}
	}
	return fillings, rest
}

// groundwork splits off what goes before the rest: what is looked up anew must not lead a packet into a chain that had
// no rules when it came, and an address that is known no more must not be found free meanwhile.
func (d Delta) groundwork() (first, rest Delta) {
	rest = d
	if len(d.DelDispatch) > 0 {
		first.DelMembers, rest.DelMembers = partition(d.DelMembers, func(m Members) bool { return m.Set.tellsKnown() })
	}
	if d.leadsElsewhere() {
		first.PutChains, rest.PutChains = partition(d.PutChains, func(c PutChain) bool { return c.New })
	}
	if len(first.PutChains) > 0 {
		first.AddSets, rest.AddSets = d.AddSets, nil
	}
	return first, rest
}

// clearance splits off what goes after the rest: a packet with the rules of before would find a PortMap empty that goes
// with them.
func (d Delta) clearance() (rest, last Delta) {
	rest = d
	if slices.ContainsFunc(d.DelSets, SetID.Leads) {
		last.DelMembers, rest.DelMembers = partition(d.DelMembers, func(m Members) bool { return slices.Contains(d.DelSets, m.Set) })
		last.DelSets, rest.DelSets = d.DelSets, nil
		last.DelChains, rest.DelChains = d.DelChains, nil
	}
	return rest, last
}

// leadsElsewhere reports whether something is looked up anew by packets that were not free before: what leads from one
// chain to another, or makes pods of a strict program known.
func (d Delta) leadsElsewhere() bool {
	leads := func(m Members) bool { return m.Set.Leads() || m.Set.tellsKnown() }
	return len(d.DelDispatch) > 0 && len(d.AddDispatch) > 0 || slices.ContainsFunc(d.AddMembers, leads)
}

// partition splits a list into what is so and what is not.
func partition[T any](list []T, is func(T) bool) (those, others []T) {
	for _, item := range list {
		if is(item) {
			those = append(those, item)
		} else {
			others = append(others, item)
		}
	}
	return those, others
}

// Isolating returns the part of a delta that ends nobody's isolation: a subject is dispatched on, to another
// chain at most, and what that needs stays. A pod that is known stays so, too, and so do the fixed sets.
func (d Delta) Isolating() Delta {
	moved := map[Subject]bool{}
	for _, e := range d.AddDispatch {
		moved[Subject{e.Direction, e.Addr}] = true
	}
	d.DelDispatch = slices.DeleteFunc(slices.Clone(d.DelDispatch), func(e Dispatch) bool {
		return !moved[Subject{e.Direction, e.Addr}]
	})
	d.DelMembers = slices.DeleteFunc(slices.Clone(d.DelMembers), func(m Members) bool {
		return m.Set.tellsKnown() || m.Set.Fixed() || slices.Contains(d.DelSets, m.Set)
	})
	d.DelLinks, d.DelChains, d.DelSets = nil, nil, nil
	return d
}

// String is the canonical text, one change a line.
func (d *Delta) String() string {
	var b strings.Builder
	if d.Frame {
		b.WriteString(map[bool]string{false: "~ ", true: "+ "}[d.Clear])
		b.WriteString(map[bool]string{false: "frame\n", true: "strict frame\n"}[d.Strict])
	}
	lines(&b, "- link %s\n", d.DelLinks)
	lines(&b, "+ link %s\n", d.AddLinks)
	lines(&b, "- %s\n", d.DelDispatch)
	memberLines(&b, "-", d.DelMembers)
	for _, s := range d.AddSets {
		b.WriteString("+ ")
		s.text(&b)
	}
	memberLines(&b, "+", d.AddMembers)
	for _, c := range d.PutChains {
		b.WriteString(map[bool]string{true: "+ ", false: "~ "}[c.New])
		c.text(&b)
	}
	lines(&b, "+ %s\n", d.AddDispatch)
	lines(&b, "- chain %s\n", d.DelChains)
	lines(&b, "- set %s\n", d.DelSets)
	return b.String()
}

func lines[T any](b *strings.Builder, format string, items []T) {
	for _, item := range items {
		fmt.Fprintf(b, format, item)
	}
}

func memberLines(b *strings.Builder, sign string, changes []Members) {
	for _, change := range changes {
		for _, m := range change.Members {
			fmt.Fprintf(b, "%s %s %s\n", sign, change.Set, m)
		}
	}
}
