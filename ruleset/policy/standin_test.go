package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/picket-project/picket/ruleset"
)

// Who stands for several pods is judged by the policies of all that are isolated, and its ports are those of all of them.
func TestStandIn(t *testing.T) {
	a, b, c := &Policy{Key: Key{"x", "a"}}, &Policy{Key: Key{"x", "b"}}, &Policy{Key: Key{"x", "c"}}
	port := func(name string, number uint16) PortName { return PortName{name, ruleset.TCP, number} }
	pods := map[string]Pod{
		"one":  {Key: Key{"x", "one"}, Ports: []PortName{port("web", 80), port("dns", 53)}},
		"two":  {Key: Key{"x", "two"}, Ports: []PortName{port("web", 80), port("dns", 54)}},
		"free": {Key: Key{"x", "free"}},
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
	} {
		var claimants []Pod
		for _, name := range row.pods {
			p := pods[name]
			p.Name = name
			claimants = append(claimants, p)
		}
		stand, by, isolated := StandIn(addr, claimants, func(p Pod) []*Policy { return isolating[p.Name] })
		if got := fmt.Sprint(isolated, by, stand.Ports); got != row.want {
			t.Errorf("%v: %s, want %s", row.pods, got, row.want)
		}
		if stand.String() != "by_address/fd00--5" || !slices.Equal(stand.Addrs, []netip.Addr{addr}) {
			t.Errorf("%s has %v", stand, stand.Addrs)
		}
	}
	if len(isolating["one"]) != 2 || isolating["one"][0] != a || len(pods["one"].Ports) != 2 {
		t.Error("what was handed in has changed")
	}
}

// Policies stay as they are where no node is in their ipBlocks, and are not changed where one is.
func TestWithTunnels(t *testing.T) {
	nodes := []Node{
		{Name: "n1", Addrs: ParseAddrs([]string{"10.77.0.11", "10.77.0.99", "10.244.2.7"}), CIDRs: prefixes("10.244.1.0/24", "fd00:1::/64")},
		{Name: "n2", Addrs: ParseAddrs([]string{"10.77.0.12", "10.77.0.99", "fd77::12"}), CIDRs: prefixes("10.244.2.0/24", "fd00:2::/64")},
	}
	tunnels := Tunnels(nodes, NewRanges(nodes), func(a netip.Addr) bool { return a == netip.MustParseAddr("10.244.1.0") })
	if got := fmt.Sprint(tunnels); got != "[{10.77.0.12 10.244.2.0} {fd77::12 fd00:2::}]" {
		t.Fatalf("tunnels: %s", got)
	}
	with := func(blocks ...string) string {
		p := &Policy{Rules: [2][]Rule{{{Index: 0}, {Index: 1, Blocks: rangesOf(blocks)}}}}
		before := fmt.Sprint(p.Rules)
		wide := p.WithTunnels(tunnels)
		if fmt.Sprint(p.Rules) != before || (wide == p) != wide.SameBlocks(p) {
			t.Errorf("%v: the policy was changed, or made anew without need", blocks)
		}
		return fmt.Sprint(wide.Rules[0][1].Blocks)
	}
	for blocks, want := range map[string]string{
		"10.77.0.0/24":                "[10.77.0.0/24 10.244.2.0/32]",
		"10.77.0.11/32":               "[10.77.0.11/32]",
		"10.0.0.0/8":                  "[10.0.0.0/8]",
		"fd77::/64":                   "[fd00:2::/128 fd77::/64]",
		"10.77.0.99/32":               "[10.77.0.99/32]",
		"10.244.2.7/32":               "[10.244.2.7/32]",
		"10.77.0.13/32 10.77.0.0/29":  "[10.77.0.0/29 10.77.0.13/32]",
		"10.77.0.12/32 10.244.2.0/31": "[10.77.0.12/32 10.244.2.0/31]",
	} {
		if got := with(strings.Fields(blocks)...); got != want {
			t.Errorf("%s: %s, want %s", blocks, got, want)
		}
	}
}

func rangesOf(texts []string) []ruleset.Range {
	var ranges []ruleset.Range
	for _, p := range prefixes(texts...) {
		ranges = append(ranges, ruleset.RangeOf(p))
	}
	return Union(ranges)
}
