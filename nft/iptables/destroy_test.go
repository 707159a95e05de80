package iptables

import (
	"slices"
	"strings"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

// A set that somebody else's rule looks up stays due; the others go at once, and it when that rule
// has gone.
func TestASetInUseIsDestroyedLater(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	used := setName(setID(ruleset.Addresses, ruleset.IPv4), accepting, "")
	use := strings.Fields("iptables-legacy -t mangle -A INPUT -m set --match-set " + used +
		" src -j RETURN")
	run(t, "", use...)
	if err := b.Apply(t.Context(), left(t, b, &ruleset.Program{})); err != nil {
		t.Fatal(err)
	}
	if !b.pending[used] || len(b.pending) != 1 {
		t.Errorf("due are %v", b.pending)
	}
	use[slices.Index(use, "-A")] = "-D"
	run(t, "", use...)
	converge(t, b, &ruleset.Program{})
	if names := run(t, "", "ipset", "list", "-name"); strings.Contains(names, used) ||
		len(b.pending) > 0 {
		t.Errorf("there are %s, and due are %v", names, b.pending)
	}
}
