package graph

import (
	"testing"

	"github.com/picket-project/picket/ruleset/policy"
)

// What a server said of a namespace when it was asked may be older than what is known: its labels do
// not count then, and newer: that it terminates does, until it is gone.
func TestAskedNamespace(t *testing.T) {
	space := func(uid, team string, terminating bool) policy.Namespace {
		n := policy.ImpliedNamespace("a")
		n.UID, n.Implied, n.Terminating, n.Labels["team"] = uid, false, terminating, team
		return n
	}
	for _, c := range []struct {
		name   string
		events []Event
		want   policy.Namespace
	}{
		{"older", []Event{NamespaceSet{space("1", "new", false)}, NamespaceAsked{space("1", "old", false)}},
			space("1", "new", false)},
		{"older than its end", []Event{NamespaceSet{space("1", "new", true)},
			NamespaceAsked{space("1", "old", false)}}, space("1", "new", true)},
		{"newer", []Event{NamespaceSet{space("1", "old", false)}, NamespaceAsked{space("1", "new", true)}},
			space("1", "old", true)},
		{"before an older state", []Event{NamespaceSet{space("1", "first", false)},
			NamespaceAsked{space("1", "new", true)}, NamespaceSet{space("1", "old", false)}},
			space("1", "old", true)},
		{"not known yet", []Event{NamespaceAsked{space("1", "new", true)}}, space("1", "new", true)},
		{"another one of the name", []Event{NamespaceSet{space("1", "old", true)},
			NamespaceSet{space("2", "new", false)}}, space("2", "new", false)},
		{"newer, and another one", []Event{NamespaceSet{space("1", "old", false)},
			NamespaceAsked{space("2", "new", true)}}, space("2", "new", true)},
		{"gone", []Event{NamespaceSet{space("1", "old", true)}, NamespaceGone{Name: "a"},
			NamespaceSet{space("1", "new", false)}}, space("1", "new", false)},
	} {
		g := New("n1", 0)
		for _, e := range c.events {
			g.Apply(e)
		}
		if got := g.namespaces["a"].Namespace; !got.Equal(c.want) || got.UID != c.want.UID {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
