package policy

import (
	"fmt"
	"net/netip"
	"testing"
)

func prefixes(texts ...string) []netip.Prefix {
	var parsed []netip.Prefix
	for _, text := range texts {
		parsed = append(parsed, netip.MustParsePrefix(text))
	}
	return parsed
}

// Whose pods can have an address: n1 has a range of each family, n2 one of IPv4, n3 none,
// and n4 one with those of others.
func TestPodRanges(t *testing.T) {
	r := NewPodRanges([]Node{
		{Name: "n1", CIDRs: prefixes("10.244.1.0/24", "fd00:1::/64")},
		{Name: "n2", CIDRs: prefixes("10.244.2.0/25")}, {Name: "n3"},
		{Name: "n4", CIDRs: prefixes("10.0.0.0/8")},
	})
	for _, row := range []struct {
		node, addr string
		// can be of it, can be a subject at it, can be of it where addresses come from anywhere
		ranges, subject, always bool
	}{
		{"n1", "10.244.1.5", true, true, true},
		{"n2", "10.244.1.5", false, false, false},
		{"n3", "10.244.1.5", false, true, false},
		{"n4", "10.244.1.5", true, true, true},
		{"n2", "10.244.2.127", true, true, true},
		{"n2", "10.244.2.128", false, false, false},
		{"n1", "8.8.8.8", false, false, true},
		{"n3", "8.8.8.8", true, true, true},
		{"n2", "2001:db8::1", true, true, true},
		{"n1", "2001:db8::1", false, false, true},
		{"nobody", "10.244.2.5", false, true, false},
	} {
		a := netip.MustParseAddr(row.addr)
		got := []bool{r.CanBeOf(row.node, a, false), r.CanBeSubject(row.node, a, false),
			r.CanBeOf(row.node, a, true)}
		if want := []bool{row.ranges, row.subject, row.always}; fmt.Sprint(got) != fmt.Sprint(
			want) {
			t.Errorf("%s on %s: %v, want %v", row.addr, row.node, got, want)
		}
	}
	r.Set("n4", nil)
	r.Set("n2", prefixes("10.244.3.0/24"))
	for addr, want := range map[string]bool{"10.244.1.5": true, "10.244.2.5": false,
		"10.244.3.5": true, "10.1.1.1": false, "fd00:1::5": true} {
		if got := r.Contains(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s in a range: %t", addr, got)
		}
	}
	for addr, want := range map[string]bool{"10.244.3.0": true, "10.244.3.1": false,
		"10.244.2.0": false, "fd00:1::": true} {
		if got := r.IsFirst(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s starts a range: %t", addr, got)
		}
	}
}

// What was found counts where a node has no range of the family, and ranges do not overlap.
func TestFillFamilies(t *testing.T) {
	for _, row := range []struct {
		known, found []netip.Prefix
		want         string
	}{
		{nil, nil, "[]"},
		{prefixes("10.244.1.0/24"), prefixes("10.9.0.0/24", "fd00:1::/64"),
			"[10.244.1.0/24 fd00:1::/64]"},
		{nil, prefixes("10.9.0.1/24", "10.9.0.0/25", "10.9.0.128/25", "10.8.0.0/24", "10.9.0.0/24"),
			"[10.8.0.0/24 10.9.0.0/24]"},
	} {
		if got := fmt.Sprint(FillFamilies(row.known, row.found)); got != row.want {
			t.Errorf("known %v, found %v: %s, want %s", row.known, row.found, got, row.want)
		}
	}
}
