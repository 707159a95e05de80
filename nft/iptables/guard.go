package iptables

import (
	"context"
	"fmt"
	"maps"
	"strconv"
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

// Watch reports when something of ours may not be as it was when the last Observe found nothing
// wrong, until ctx ends: also if this backend has changed it since. It may be called in a goroutine
// of its own.
func (b *Backend) Watch(ctx context.Context, changed func()) error {
	changed() // nobody told of what came before
	timer := time.NewTicker(watchEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		// It is not compared with the look before: what was wrong then can be wrong again, or still.
		intact := b.intact.Load()
		if intact == nil {
			changed()
			continue
		}
		now, err := b.look(ctx, *intact)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("watch: %w", err)
		}
		if !intact.equal(now) {
			changed()
		}
	}
}

// sketch is what is cheap to read: our rules, by table, and how many elements our sets have. It has
// answerTable only where there are rules of ours in it, and those of ebtables only where pods share a
// bridge.
type sketch struct {
	rules   map[string]string
	sizes   map[string]int
	bridges string
}

func (s sketch) equal(o sketch) bool {
	return maps.Equal(s.rules, o.rules) && maps.Equal(s.sizes, o.sizes) && s.bridges == o.bridges
}

// look reads a sketch of the tables that another one has.
func (b *Backend) look(ctx context.Context, like sketch) (s sketch, err error) {
	s.rules = map[string]string{}
	for name := range like.rules {
		for _, f := range ruleset.Families {
			t, err := b.saveRules(ctx, f, name)
			if err != nil {
				return s, err
			}
			s.rules[name] += fmt.Sprintln(t)
		}
	}
	if like.bridges != "" {
		if s.bridges, err = b.sketchBridges(); err != nil {
			return s, err
		}
	}
	list, err := b.program(ctx, "", "ipset", "list", "-terse")
	s.sizes = readSizes(list)
	return s, err
}

// readSizes reads how many elements our sets have, as ipset list -terse prints it: Name: n, and
// Number of entries: 3.
func readSizes(list string) map[string]int {
	sizes, name := map[string]int{}, ""
	for line := range strings.Lines(list) {
		line = strings.TrimSpace(line)
		if text, is := strings.CutPrefix(line, "Name: "); is {
			name = text
		}
		if text, is := strings.CutPrefix(line, "Number of entries: "); is && isOurs(name) {
			sizes[name], _ = strconv.Atoi(text)
		}
	}
	return sizes
}
