package iptables

import (
	"context"
	"maps"

	"github.com/picket-project/picket/ruleset"
)

// Beside returns a backend that only looks, at what this one has made. It belongs to another
// goroutine, in a network namespace by its file descriptor; 0 is the calling thread's.
func (b *Backend) Beside(netns int) *Backend {
	// It claims nothing: the rules stay in the hands of this one.
	beside := Open(Options{NetNS: netns})
	beside.told, beside.bridges, beside.looks = b.told, b.bridges, true
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
	[]ruleset.DenialCount, error) {
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
	list, err := b.Denials(ctx)
	return o, list, err
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
