package iptables

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// Versions of iptables-save print rules in other ways than they are written here. Which, is learned
// when rules were loaded: a rule that is printed otherwise right then is either spelled so, or somebody
// has changed it since. So it is loaded once more, into a chain that no packet meets and whose name
// nobody knows before, and believed to be spelled so if it is printed there in the same way.

// learnSpelling compares how rules that were just loaded are printed with how they are written here.
// Of chains that were not loaded nothing is learned: what is different there, somebody has changed.
func (b *Backend) learnSpelling(ctx context.Context, loaded map[ruleset.Family]string) error {
	if b.spelled {
		return nil
	}
	b.spelled = len(b.spelling) == 0 // where it is another one, each new rule has to be learned
	b.forgetSpelling()
	for _, f := range ruleset.Families {
		printed, err := b.saveRules(ctx, f, mainTable)
		if err != nil {
			return err
		}
		others := map[string]string{}
		for name, rules := range b.held.tables[f][mainTable].chains {
			if strings.Contains(loaded[f], emptied(name)+"\n") {
				maps.Copy(others, differing(printed.chains[name], rules))
			}
		}
		if len(others) == 0 {
			continue
		}
		b.spelled = false
		if err := b.confirm(ctx, f, others); err != nil {
			return fmt.Errorf("learn how rules are printed: %w", err)
		}
	}
	b.tellSpelling()
	return nil
}

// forgetSpelling forgets the rules that are in no chain any more.
func (b *Backend) forgetSpelling() {
	if len(b.spelling) == 0 {
		return
	}
	used := map[string]bool{}
	for _, f := range ruleset.Families {
		for _, rules := range b.held.tables[f][mainTable].chains {
			for _, r := range rules {
				used[r] = true
			}
		}
	}
	maps.DeleteFunc(b.spelling, func(_, written string) bool { return !used[written] })
}

// differing returns the rules of one chain that are printed in another way, as they are written.
func differing(printed, written []string) map[string]string {
	others := map[string]string{}
	if len(printed) != len(written) {
		return others
	}
	for i, r := range written {
		if printed[i] != r {
			others[r] = printed[i]
		}
	}
	return others
}

// confirm loads rules into a chain of their own, and learns of those that are printed as before.
func (b *Backend) confirm(ctx context.Context, f ruleset.Family, printed map[string]string) error {
	written := slices.Sorted(maps.Keys(printed))
	name := spellingChain(written)
	empty := map[string]table{mainTable: {}}
	with := map[string]table{mainTable: {chains: chains{name: written}}}
	if err := b.restoreRules(ctx, f, restoreText(empty, with)); err != nil {
		return err
	}
	now, err := b.saveRules(ctx, f, mainTable)
	if err != nil {
		return err
	}
	if again := now.chains[name]; len(again) == len(written) {
		for i, r := range written {
			if again[i] == printed[r] {
				b.spelling[again[i]] = r
			}
		}
	}
	return b.restoreRules(ctx, f, restoreText(with, empty))
}

// respell writes the rules of a table as they are written here.
func (b *Backend) respell(t table) {
	for _, rules := range t.chains {
		for i, r := range rules {
			if written, known := b.spelling[r]; known {
				rules[i] = written
			}
		}
	}
}
