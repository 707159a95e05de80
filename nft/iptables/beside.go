package iptables

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// Beside returns a backend that only looks, at what this one has made. It belongs to another
// goroutine, in a network namespace by its file descriptor; 0 is the calling thread's.
func (b *Backend) Beside(netns int) *Backend {
	// It claims nothing: the rules stay in the hands of this one.
	beside := Open(Options{NetNS: netns})
	beside.told = b.told
	return beside
}

// tellSpelling lets backends beside this one know how the programs print rules.
func (b *Backend) tellSpelling() {
	spelling := maps.Clone(b.spelling)
	b.told.Store(&spelling)
}

// Look says what the kernel holds, as Observe does, and recognizes the chains that are as a program
// has them. It also counts what was denied, which costs a second look at the rules.
func (b *Backend) Look(ctx context.Context, p *ruleset.Program) (ruleset.Observed,
	map[ruleset.ChainID]uint64, error) {
	// Until the one that applies has loaded rules once, they are taken as they are printed.
	if spelling := b.told.Load(); spelling != nil {
		b.spelling = *spelling
	}
	if err := b.expect(p); err != nil {
		return ruleset.Observed{}, nil, err
	}
	o, err := b.Observe(ctx)
	if err != nil {
		return o, nil, err
	}
	denied, err := b.denied(ctx)
	return o, denied, err
}

// expect takes a program for what the kernel should hold.
func (b *Backend) expect(p *ruleset.Program) error {
	b.content, b.fenced = newContent(), false
	_, err := b.content.apply(ruleset.Diff(ruleset.Observed{Condition: ruleset.Lost}, p))
	if err != nil {
		return err
	}
	// Chains have no digest in the kernel, so they are compared rule by rule.
	w, _, err := want(b.content)
	if err != nil {
		return err
	}
	b.known = map[ruleset.Family]map[ruleset.ChainID]chains{}
	for _, f := range ruleset.Families {
		b.known[f] = parts(w.tables[f][mainTable].chains)
	}
	return nil
}

// denied counts the packets that each chain of a pod has denied, of both families, since its rules
// were changed last.
func (b *Backend) denied(ctx context.Context) (map[ruleset.ChainID]uint64, error) {
	counts := map[ruleset.ChainID]uint64{}
	// A chain of the program has parts in both families.
	for _, f := range ruleset.Families {
		text, err := b.program(ctx, "", families[f].program+"-save", "-c", "-t", mainTable)
		if err != nil {
			return nil, fmt.Errorf("count what was denied: %w", err)
		}
		addDenied(counts, b.held.tables[f][mainTable].chains, text)
	}
	return counts, nil
}

// addDenied adds what a text of iptables-save with counters says: [packets:bytes] -A CHAIN RULE.
func addDenied(counts map[ruleset.ChainID]uint64, known chains, text string) {
	for line := range strings.Lines(text) {
		count, rest, is := strings.Cut(strings.TrimSpace(line), "] -A ")
		if !is {
			continue
		}
		name, r, _ := strings.Cut(rest, " ")
		id, ours := partOf(known[name])
		// What logs a denial has a counter of its own, which would count twice.
		packets, _, _ := strings.Cut(strings.TrimPrefix(count, "["), ":")
		n, err := strconv.ParseUint(packets, 10, 64)
		if ours && err == nil && n > 0 && denies(r) {
			counts[id] += n
		}
	}
}

// denies reports whether a rule ends in a denial.
func denies(r string) bool {
	return strings.HasSuffix(r, toDrop) || strings.HasSuffix(r, goTo(rejectChain))
}
