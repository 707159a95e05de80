package iptables

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// Step is a part of a delta. Sets, then Rules, then Destroy; a plan uses one of them in each step.
type Step struct {
	Name    string                    // why it stands where it does
	Sets    []string                  // lines for ipset restore
	Rules   map[ruleset.Family]string // text for iptables-restore, each all or nothing
	Destroy []string                  // sets
}

// Empty reports whether there is nothing to do.
func (s Step) Empty() bool { return len(s.Sets)+len(s.Rules)+len(s.Destroy) == 0 }

// plan returns the steps from one state of a kernel to another, as the package's comment says.
// diffs is what differs in the elements of the sets that stay.
func plan(have, want kernel, copies map[string]setCopy, diffs map[string]change) []Step {
	closing, opening := memberSteps(copies, diffs)
	rules := Step{Name: "rules", Rules: map[ruleset.Family]string{}}
	for _, f := range ruleset.Families {
		if text := restoreText(have.tables[f], want.tables[f]); text != "" {
			rules.Rules[f] = text
		}
	}
	steps := []Step{closing, making(have, want), rules, opening, removal(have, want)}
	return slices.DeleteFunc(steps, Step.Empty)
}

// memberSteps split what changes in sets that stay by what it can do to packets. An element of
// another meaning goes first, since what comes can have its key.
func memberSteps(copies map[string]setCopy, diffs map[string]change) (closing, opening Step) {
	closing.Name, opening.Name = "closing", "opening"
	for _, name := range slices.Sorted(maps.Keys(diffs)) {
		plain, others := diffs[name].del.byMeaning()
		closes, opens := elementLines("del", name, plain), elementLines("add", name, diffs[name].add)
		if roleIn(copies, name) == denying {
			closes, opens = opens, closes
		}
		closing.Sets = append(closing.Sets, elementLines("del", name, others)...)
		closing.Sets, opening.Sets = append(closing.Sets, closes...), append(opening.Sets, opens...)
	}
	return closing, opening
}

// elementLines are lines that add elements to a set, or delete them.
func elementLines(verb, name string, all elements) []string {
	var lines []string
	for _, e := range all.sorted() {
		lines = append(lines, fmt.Sprintf("%s %s %s", verb, name, e.key()))
	}
	return lines
}

// making makes the sets that are not there yet, with all their members.
func making(have, want kernel) Step {
	s := Step{Name: "making"}
	for _, name := range slices.Sorted(maps.Keys(want.sets)) {
		set := want.sets[name]
		old, there := have.sets[name]
		if there && old.setType == set.setType {
			continue
		}
		if there { // nothing can be made of it
			s.Sets = append(s.Sets, "destroy "+name)
		}
		// One that was to be destroyed may still be there.
		s.Sets = append(s.Sets, set.create(name), "flush "+name)
		s.Sets = append(s.Sets, elementLines("add", name, set.elements)...)
	}
	return s
}

// removal removes the sets that nothing looks up any more.
func removal(have, want kernel) Step {
	s := Step{Name: "removal"}
	for _, name := range slices.Sorted(maps.Keys(have.sets)) {
		if _, wanted := want.sets[name]; !wanted {
			s.Destroy = append(s.Destroy, name)
		}
	}
	return s
}

// compared returns what differs in the elements of the sets that both have.
func compared(have, want kernel) map[string]change {
	diffs := map[string]change{}
	for name, set := range want.sets {
		old, there := have.sets[name]
		if !there || old.setType != set.setType {
			continue
		}
		if ch := compareElements(old.elements, set.elements); len(ch.del)+len(ch.add) > 0 {
			diffs[name] = ch
		}
	}
	return diffs
}

// compareElements returns what has to go and to come.
func compareElements(have, want elements) change {
	ch := change{elements{}, elements{}}
	for e := range have {
		if !want[e] {
			ch.del[e] = true
		}
	}
	for e := range want {
		if !have[e] {
			ch.add[e] = true
		}
	}
	return ch
}

// restoreText returns the text for iptables-restore --noflush that turns the tables of one family
// into others; it is empty where nothing differs. Of others' chains it changes our rules only.
func restoreText(have, want map[string]table) string {
	var b strings.Builder
	for _, name := range tables {
		if lines := tableLines(have[name], want[name]); len(lines) > 0 {
			fmt.Fprintf(&b, "*%s\n%s\nCOMMIT\n", name, strings.Join(lines, "\n"))
		}
	}
	return b.String()
}

// tableLines are the lines for one table. A chain that is named with a colon is made, or emptied.
func tableLines(have, want table) []string {
	var heads, rules, gone []string
	for _, name := range slices.Sorted(maps.Keys(want.chains)) {
		old, there := have.chains[name]
		if there && slices.Equal(old, want.chains[name]) {
			continue
		}
		heads = append(heads, emptied(name))
		for _, r := range want.chains[name] {
			rules = append(rules, rule("-A", name, r))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(have.chains)) {
		if _, wanted := want.chains[name]; !wanted {
			heads, gone = append(heads, emptied(name)), append(gone, "-X "+name)
		}
	}
	return slices.Concat(heads, rules, hookLines(have.bases, want.bases), gone)
}

// emptied makes a chain, or takes all rules out of it.
func emptied(chain string) string { return ":" + chain + " - [0:0]" }

// hookLines put our rules to the beginning of chains of the kernel, and take out those that are
// anywhere else.
func hookLines(have, want chains) []string {
	var lines []string
	for _, base := range sortedKeys(have, want) {
		ours := slices.DeleteFunc(slices.Clone(have[base]), func(r string) bool {
			return !leadsToOurs(r)
		})
		first := have[base][:min(len(want[base]), len(have[base]))]
		if slices.Equal(first, want[base]) && len(ours) == len(want[base]) {
			continue
		}
		for _, r := range ours {
			lines = append(lines, rule("-D", base, r))
		}
		for i, r := range want[base] {
			lines = append(lines, fmt.Sprintf("-I %s %d %s", base, i+1, r))
		}
	}
	return lines
}

// sortedKeys lists the keys of both.
func sortedKeys(a, b chains) []string {
	keys := slices.Concat(slices.Collect(maps.Keys(a)), slices.Collect(maps.Keys(b)))
	slices.Sort(keys)
	return slices.Compact(keys)
}

// leadsToOurs reports whether the target of a rule is a chain of ours.
func leadsToOurs(rule string) bool {
	words := strings.Fields(rule)
	if len(words) < 2 {
		return false
	}
	target := words[len(words)-2]
	return (target == "-j" || target == "-g") && isOurs(words[len(words)-1])
}
