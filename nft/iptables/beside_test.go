package iptables

import (
	"maps"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

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

// Only what denies counts, in whichever part of a pod's chain it is.
func TestDeniedCounts(t *testing.T) {
	known := chains{"picket-a": {comment("egress/shop/web")}, "picket-b": {comment("egress/shop/web part 1")},
		"picket-c": {comment("ingress/shop/web")}, "others": {"-j DROP"}}
	counts := map[ruleset.ChainID]uint64{}
	addDenied(counts, known, `*mangle
:picket-a - [0:0]
[5:300] -A picket-a -s 10.0.0.1/32 -j RETURN
[7:420] -A picket-a -m comment --comment "isolated by p" -j DROP
[2:120] -A picket-b -m comment --comment x -g `+rejectChain+`
[0:0] -A picket-c -j DROP
[9:9] -A others -j DROP
COMMIT
`)
	want := map[ruleset.ChainID]uint64{"egress/shop/web": 9}
	if !maps.Equal(counts, want) {
		t.Errorf("%v", counts)
	}
}
