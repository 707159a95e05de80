package ruleset

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
)

// Observed is what a backend found in the kernel. Rules are never read back into a program: a
// chain is known by the digest that its last rule carries.
type Observed struct {
	Condition Condition
	Strict    bool // the frame is that of a strict program
	Links     []string
	Sets      map[SetID][]Member
	Chains    map[ChainID]string // Chain.Digest; anything else means other rules
	Dispatch  map[Subject]ChainID
}

// Condition is how much of what a backend found can stay.
type Condition uint8

// Conditions, each better than the one before.
const (
	Lost Condition = iota // nothing, or there is nothing
	// what is listed; the frame around it is not, or not wholly, as this backend makes it
	Damaged
	Intact // all: the frame is right, and besides it there is only what is listed
)

// Subject is a pod address in one direction: what a packet is dispatched by.
type Subject struct {
	Direction Direction
	Addr      netip.Addr
}

// Diff says what must change for the kernel to hold want.
func Diff(have Observed, want *Program) Delta {
	d := Delta{Clear: have.Condition == Lost}
	d.Frame = have.Condition != Intact || have.Strict != want.Strict
	d.Strict = d.Frame && want.Strict
	if d.Clear {
		// Nothing of the old table stays, so that everything is to be added.
		have = Observed{}
	}
	d.DelLinks, d.AddLinks = changes(have.Links, want.Links, cmp.Compare[string])
	d.diffDispatch(have.Dispatch, want.Dispatch)
	d.diffSets(have.Sets, want.Sets, usesOf(want))
	d.diffChains(have.Chains, want.Chains)
	return d
}

// diffDispatch compares who is dispatched where. A subject that gets another chain is in both
// lists: it is taken from the old chain and given to the new one.
func (d *Delta) diffDispatch(have map[Subject]ChainID, want []Dispatch) {
	old := make([]Dispatch, 0, len(have))
	for s, chain := range have {
		old = append(old, Dispatch{s.Direction, s.Addr, chain})
	}
	d.DelDispatch, d.AddDispatch = changes(old, want, Dispatch.Compare)
}

// diffSets compares sets by ID and those that stay by member. A fixed set is never made or deleted
// here; it only changes its members. Where those lead that go is not known any more.
func (d *Delta) diffSets(have map[SetID][]Member, want []Set, by uses) {
	gone := maps.Clone(have)
	for _, s := range want {
		old, exists := have[s.ID]
		if !exists && !s.ID.Fixed() {
			d.AddSets = append(d.AddSets, s)
			continue
		}
		delete(gone, s.ID)
		compare := Member.Compare
		if s.ID.Leads() {
			compare = compareKnown
		}
		del, add := changes(old, s.Members, compare)
		d.AddMembers = appendMembers(d.AddMembers, Added(s.ID, add, by[s.ID]))
		before := by[s.ID]
		if s.ID.Leads() {
			before = anyAction
		}
		d.DelMembers = appendMembers(d.DelMembers, Removed(s.ID, del, before))
	}
	for _, id := range slices.SortedFunc(maps.Keys(gone), SetID.Compare) {
		// A chain can't be deleted while members lead to it, so these are deleted on their own.
		if id.Leads() || id.Fixed() {
			members := slices.SortedFunc(slices.Values(gone[id]), Member.Compare)
			d.DelMembers = appendMembers(d.DelMembers, Removed(id, members, anyAction))
		}
		if !id.Fixed() {
			d.DelSets = append(d.DelSets, id)
		}
	}
	slices.SortFunc(d.DelMembers, func(a, b Members) int { return a.Set.Compare(b.Set) })
}

// compareKnown orders members like Compare, but takes a reason that a kernel has no room for as the
// one that it abbreviates.
func compareKnown(have, want Member) int {
	if have.Reason != want.Reason && have.Reason.Abbreviates(want.Reason) {
		have.Reason = want.Reason
	}
	return have.Compare(want)
}

// diffChains compares chains by digest: one with another digest gets all of its rules anew.
func (d *Delta) diffChains(have map[ChainID]string, want []Chain) {
	gone := maps.Clone(have)
	for _, c := range want {
		digest, exists := have[c.ID]
		delete(gone, c.ID)
		if !exists || digest != c.Digest() {
			d.PutChains = append(d.PutChains, PutChain{Chain: c, New: !exists})
		}
	}
	d.DelChains = slices.Sorted(maps.Keys(gone))
}

// appendMembers appends the changes of one set, if there are any.
func appendMembers(to []Members, change Members) []Members {
	if len(change.Members) == 0 {
		return to
	}
	return append(to, change)
}

// Moved compares two sorted lists of members.
func Moved(was, is []Member) (gone, come []Member) {
	if len(was) == len(is) && len(was) > 0 && &was[0] == &is[0] {
		return nil, nil // the same list
	}
	return moved(was, is, Member.Compare)
}

// changes compares two lists as sets; want is sorted, have need not be. Both results are sorted.
func changes[T any](have, want []T, compare func(a, b T) int) (del, add []T) {
	return moved(slices.SortedFunc(slices.Values(have), compare), want, compare)
}

// moved walks through two sorted lists at once: del is what only the first has, add what only the
// second has.
func moved[T any](have, want []T, compare func(a, b T) int) (del, add []T) {
	for len(have) > 0 || len(want) > 0 {
		switch order := compareHeads(have, want, compare); {
		case order < 0:
			del, have = append(del, have[0]), have[1:]
		case order > 0:
			add, want = append(add, want[0]), want[1:]
		default:
			have, want = have[1:], want[1:]
		}
	}
	return del, add
}

// compareHeads orders the first items of two lists; an empty list counts as last.
func compareHeads[T any](a, b []T, compare func(a, b T) int) int {
	switch {
	case len(a) == 0:
		return 1
	case len(b) == 0:
		return -1
	default:
		return compare(a[0], b[0])
	}
}
