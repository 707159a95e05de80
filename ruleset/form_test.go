package ruleset

import "testing"

// A range takes two of the places for ports, so that the last place of a rule can stay empty.
func TestSplit(t *testing.T) {
	ports := func(single, ranges int) (list []PortRange) {
		for i := range uint16(single) {
			list = append(list, PortRange{i, i})
		}
		for i := range uint16(ranges) {
			list = append(list, PortRange{100 * i, 100*i + 9})
		}
		return list
	}
	for _, row := range []struct{ places, single, ranges, want int }{
		{0, 0, 0, 1}, {15, 0, 0, 1}, {0, 40, 40, 1}, {15, 15, 0, 1}, {15, 16, 0, 2},
		{15, 0, 7, 1}, {15, 0, 8, 2}, {15, 0, 15, 3}, {15, 1, 7, 1}, {1, 0, 2, 2},
	} {
		list := ports(row.single, row.ranges)
		rules := Form{RulePorts: row.places}.Split(list)
		sum := 0
		for _, some := range rules {
			sum += len(some)
		}
		if len(rules) != row.want || sum != len(list) {
			t.Errorf("%+v: %d rules with %d ports", row, len(rules), sum)
		}
	}
}
