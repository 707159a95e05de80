package conntrack

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// What ends leaves the table, translated or not; one that is gone is no error, and no other one
// ends.
func TestEnd(t *testing.T) {
	table := newTable(t)
	for _, e := range []entry{
		{"10.1.0.5:40000", "10.1.0.7:80", "10.1.0.7:80", "10.1.0.5:40000", unix.IPPROTO_TCP},
		{"10.1.0.5:40001", "10.96.0.1:443", "10.1.0.7:6443", "10.1.0.5:40001", unix.IPPROTO_TCP},
		{"10.1.0.5:40002", "9.9.9.9:53", "9.9.9.9:53", "192.0.2.1:61000", unix.IPPROTO_UDP},
		{"[fd00::5]:40004", "[fd00:96::1]:53", "[fd00::7]:5353", "[fd00::5]:40004", unix.IPPROTO_UDP},
	} {
		e.add(t)
	}
	all, err := table.List(t.Context(), everything)
	if err != nil || len(all) != 4 {
		t.Fatal(all, err)
	}
	kept := all[0]
	for range 2 {
		if err := table.End(t.Context(), all[1:]); err != nil {
			t.Fatal(err)
		}
		left, err := table.List(t.Context(), everything)
		if err != nil || !slices.Equal(left, []ruleset.Connection{kept}) {
			t.Errorf("left are %v, %v; expected %v", left, err, kept)
		}
	}
}
