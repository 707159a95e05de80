package ruleset

import (
	"fmt"
	"strings"
)

// Delta is what must change for a kernel to hold a program. Carried out field by field, no object
// is in use when it goes and every one is there when it is referred to. A backend may split a
// delta into several transactions, each all or nothing.
type Delta struct {
	// all that was in the table goes first; packets on their way may see it empty
	Clear bool
	// table and base chains are made anew, at once for every packet, around what is there
	Frame       bool
	Strict      bool       // of the new frame
	DelLinks    []string   // interfaces of Program.Links
	AddLinks    []string   //
	DelDispatch []Dispatch // with the chain that is given up
	DelMembers  []Members  //
	AddSets     []Set      // new, with all their members
	AddMembers  []Members  //
	// new chains, or chains with other rules; the new are there, without rules, before AddSets
	PutChains   []PutChain
	AddDispatch []Dispatch //
	DelChains   []ChainID  // their rules go before DelSets
	DelSets     []SetID    // with all their members, which are in DelMembers if they lead to chains
}

// PutChain gives a chain its rules.
type PutChain struct {
	Chain
	New bool // the chain is not there yet; else its rules are replaced
}

// Empty reports whether nothing must change.
func (d *Delta) Empty() bool {
	return !d.Frame &&
		len(d.DelLinks)+len(d.AddLinks)+len(d.DelDispatch)+len(d.DelMembers)+len(d.AddSets)+
			len(d.AddMembers)+len(d.PutChains)+len(d.AddDispatch)+len(d.DelChains)+
			len(d.DelSets) == 0
}

// String is the canonical text, one change a line.
func (d *Delta) String() string {
	var b strings.Builder
	if d.Frame {
		b.WriteString(newOrChanged(d.Clear))
		if d.Strict {
			b.WriteString("strict ")
		}
		b.WriteString("frame\n")
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
		b.WriteString(newOrChanged(c.New))
		c.text(&b)
	}
	lines(&b, "+ %s\n", d.AddDispatch)
	lines(&b, "- chain %s\n", d.DelChains)
	lines(&b, "- set %s\n", d.DelSets)
	return b.String()
}

// DeltaCounts is how much a delta changes.
type DeltaCounts struct {
	Subjects int // pods that get, lose or change chains
	Members  int // that sets get or lose
}

// Counts adds up what the delta changes.
func (d *Delta) Counts() (n DeltaCounts) {
	subjects := map[string]bool{}
	count := func(id ChainID) {
		// direction/namespace/pod, or peers/… for what chains share
		if direction, subject, _ := strings.Cut(string(id), "/"); direction != "peers" {
			subjects[subject] = true
		}
	}
	for _, c := range d.PutChains {
		count(c.ID)
	}
	for _, id := range d.DelChains {
		count(id)
	}
	n.Subjects = len(subjects)
	for _, list := range [][]Members{d.AddMembers, d.DelMembers} {
		for _, m := range list {
			n.Members += len(m.Members)
		}
	}
	for _, s := range d.AddSets {
		n.Members += len(s.Members)
	}
	return n
}

// newOrChanged begins the line of what is new, or was there with other contents.
func newOrChanged(isNew bool) string {
	if isNew {
		return "+ "
	}
	return "~ "
}

// lines writes one line for each item.
func lines[T any](b *strings.Builder, format string, items []T) {
	for _, item := range items {
		fmt.Fprintf(b, format, item)
	}
}

// memberLines writes one line for each member, behind a sign and the name of its set.
func memberLines(b *strings.Builder, sign string, changes []Members) {
	for _, change := range changes {
		for _, m := range change.Members {
			fmt.Fprintf(b, "%s %s %s\n", sign, change.Set, m)
		}
	}
}
