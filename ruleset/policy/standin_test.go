package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

// A stand-in is isolated by the policies that isolate all of its isolated pods, and has the
// ports that all of them have.
func TestStandIn(t *testing.T) {
	a, b, c := &Policy{Key: Key{"x", "a"}}, &Policy{Key: Key{"x", "b"}}, &Policy{Key: Key{"x", "c"}}
	port := func(name string, number uint16) PortName { return PortName{name, ruleset.TCP, number} }
	pods := map[string]Pod{
		"one":     {Key: Key{"x", "one"}, Ports: []PortName{port("web", 80), port("dns", 53)}},
		"two":     {Key: Key{"x", "two"}, Ports: []PortName{port("web", 80), port("dns", 54)}},
		"free":    {Key: Key{"x", "free"}},
		"audited": {Key: Key{"x", "audited"}, Ports: []PortName{port("web", 80)}},
	}
	isolating := map[string][]*Policy{"one": {a, b}, "two": {b, c}, "three": {c}}
	addr := netip.MustParseAddr("fd00::5")
	for _, row := range []struct {
		pods []string
		want string
	}{
		{[]string{"free"}, "false [] []"},
		{[]string{"one"}, "true [x/a x/b] [{web tcp 80} {dns tcp 53}]"},
		{[]string{"free", "one"}, "true [x/a x/b] [{web tcp 80} {dns tcp 53}]"},
		{[]string{"one", "two"}, "true [x/b] [{web tcp 80}]"},
		{[]string{"two", "one", "free"}, "true [x/b] [{web tcp 80}]"},
		{[]string{"one", "three"}, "true [] []"},
		{[]string{"audited", "free"}, "audited [x/a x/c] [{web tcp 80}]"},
		{[]string{"audited", "one"}, "true [x/a x/b] [{web tcp 80} {dns tcp 53}]"},
		{[]string{"two", "audited"}, "true [x/b x/c] [{web tcp 80} {dns tcp 54}]"},
	} {
		var claimants []Pod
		for _, name := range row.pods {
			p := pods[name]
			p.Name = name
			claimants = append(claimants, p)
		}
		standIn, by := StandIn(addr, claimants, func(p Pod) Deciders {
			switch {
			case p.Name == "audited":
				return Deciders{[]*Policy{a, c}, Audits}
			case len(isolating[p.Name]) > 0:
				return Deciders{isolating[p.Name], Isolates}
			default:
				return Deciders{}
			}
		})
		effect := []string{"false", "audited", "true"}[by.Effect]
		if got := fmt.Sprint(effect, " ", by.Policies, " ", standIn.Ports); got != row.want {
			t.Errorf("%v: %s, want %s", row.pods, got, row.want)
		}
		if standIn.String() != "by_address/fd00--5" || !slices.Equal(standIn.Addrs,
			[]netip.Addr{addr}) {
			t.Errorf("%s has %v", standIn, standIn.Addrs)
		}
	}
	if len(isolating["one"]) != 2 || isolating["one"][0] != a || len(pods["one"].Ports) != 2 {
		t.Error("what was handed in has changed")
	}
}
