package iptables

import (
	"errors"
	"testing"

	"github.com/picket-project/picket/nft/iptables/ebtables"
	"github.com/picket-project/picket/ruleset"
)

// A backend that only looks makes no chains to find out what ebtables can do.
func TestBesideTriesNothing(t *testing.T) {
	b := Open(Options{})
	if err := b.Beside(0).tryBridges(); !errors.Is(err, ebtables.ErrMissing) {
		t.Error(err)
	}
	b.bridges.Store(true)
	if err := b.Beside(0).tryBridges(); err != nil {
		t.Error(err)
	}
}

// A backend beside the one that applies finds all as it should be, and what somebody has changed.
func TestLookBeside(t *testing.T) {
	newNetns(t)
	p := sample(ruleset.Drop)
	b := Open(Options{})
	converge(t, b, p)
	look := func() ruleset.Delta {
		o, _, err := b.Beside(0).Look(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return ruleset.Diff(o, p)
	}
	if d := look(); !d.Empty() {
		t.Errorf("nobody has changed anything:\n%s", d.String())
	}
	for name := range b.held.tables[ruleset.IPv4][mainTable].chains {
		id, is := partOf(b.held.tables[ruleset.IPv4][mainTable].chains[name])
		if !is || id == "" {
			continue
		}
		run(t, "", "iptables-legacy", "-t", mainTable, "-I", name, "-j", "RETURN")
		d := look()
		if len(d.PutChains) == 0 && !d.Frame {
			t.Errorf("%s was opened, and nothing was found:\n%s", id, d.String())
		}
		break
	}
}
