package iptables

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/picket-project/picket/ruleset"
)

// Nobody tells of a change of legacy iptables or of an ipset, and the kernel refuses none. So our
// rules and the sizes of our sets are looked at again and again; their members are at each recheck.
const watchEvery = 3 * time.Second

// Owned says that the kernel lets others change the rules.
func (b *Backend) Owned() bool { return false }

// Untouched says that it is not sure that nobody has changed any.
func (b *Backend) Untouched(context.Context) (bool, error) { return false, nil }

// Watch reports when something of ours has changed, until ctx ends: also if this backend may have
// done it, since others can have changed more in the same seconds. It may be called in a goroutine
// of its own.
func (b *Backend) Watch(ctx context.Context, changed func()) error {
	before, _, err := b.sketch(ctx)
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	changed() // nobody told of what came before
	timer := time.NewTicker(watchEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		now, quiet, err := b.sketch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		// What was read in the middle of a change says nothing, and there may always be one.
		if !quiet || now != before {
			changed()
		}
		if quiet {
			before = now
		}
	}
}

// sketch is a text of what is cheap to read; quiet: this backend has changed nothing meanwhile.
func (b *Backend) sketch(ctx context.Context) (text string, quiet bool, err error) {
	applied := b.applied.Load()
	var parts strings.Builder
	for _, f := range ruleset.Families {
		t, err := b.saveRules(ctx, f, mainTable)
		if err != nil {
			return "", false, err
		}
		fmt.Fprintln(&parts, t)
	}
	list, err := b.program(ctx, "", "ipset", "list", "-terse")
	if err != nil {
		return "", false, err
	}
	for _, set := range strings.Split(list, "\n\n") {
		name, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(set), "Name: "), "\n")
		if isOurs(name) {
			parts.WriteString(sizeOf(set))
		}
	}
	// While this backend changes anything, the count is odd.
	return parts.String(), applied%2 == 0 && b.applied.Load() == applied, nil
}

// sizeOf is the name of a set and how many elements it has. How much memory it takes, and how many
// rules look it up, can change by itself.
func sizeOf(set string) string {
	var b strings.Builder
	for line := range strings.Lines(set) {
		if strings.HasPrefix(line, "Name:") || strings.HasPrefix(line, "Number of entries:") {
			b.WriteString(line)
		}
	}
	return b.String()
}
