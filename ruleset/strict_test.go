package ruleset

import (
	"net/netip"
	"slices"
	"testing"
)

// What keeps unknown pods so makes none known, and closes as much as before.
func TestKeepingUnknown(t *testing.T) {
	sets := StrictSets([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
		[]netip.Addr{netip.MustParseAddr("10.0.0.5")})
	add := []Members{{Set: KnownPods(IPv4), Members: sets[1].Members},
		{Set: LocalRange(IPv4), Members: sets[0].Members}}
	d := Delta{AddSets: sets, AddMembers: add}
	kept := d.KeepingUnknown()
	if len(kept.AddSets) != 4 || len(kept.AddSets[1].Members) > 0 ||
		len(kept.AddSets[0].Members) != 1 {
		t.Errorf("sets: %v", kept.AddSets)
	}
	if len(kept.AddMembers) != 1 || kept.AddMembers[0].Set != LocalRange(IPv4) {
		t.Errorf("members: %v", kept.AddMembers)
	}
	if len(d.AddSets[1].Members) != 1 || !slices.EqualFunc(d.AddMembers, add,
		func(a, b Members) bool {
			return a.Set == b.Set
		}) {
		t.Error("the delta itself was changed")
	}
}

func TestScopeOfAddrs(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.5")
	s := ScopeOfAddrs(a)
	if s.Empty() || !s.Has(a) || s.Has(a.Next()) || !ScopeOfAddrs().Empty() {
		t.Errorf("%v", s)
	}
}
