package policy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	utilnet "k8s.io/utils/net"

	"github.com/picket-project/picket/ruleset"
)

// ranges reads prefixes and "first-last", parted by blanks.
func ranges(t *testing.T, text string) []ruleset.Range {
	t.Helper()
	var list []ruleset.Range
	for _, word := range strings.Fields(text) {
		if prefix, err := netip.ParsePrefix(word); err == nil {
			list = append(list, ruleset.RangeOf(prefix))
			continue
		}
		first, last, _ := strings.Cut(word, "-")
		list = append(list, ruleset.Range{First: netip.MustParseAddr(first),
			Last: netip.MustParseAddr(last)})
	}
	return list
}

func rangesText(list []ruleset.Range) string {
	words := make([]string, len(list))
	for i, r := range list {
		words[i] = r.String()
	}
	return strings.Join(words, " ")
}

const top6 = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

func TestIntersect(t *testing.T) {
	for _, row := range []struct{ a, b, want string }{
		{"10.0.0.0/8", "10.1.0.0/16", "10.1.0.0/16"},
		{"10.1.0.0/16", "10.0.0.0/8", "10.1.0.0/16"},
		{"10.0.0.0-10.0.0.9", "10.0.0.5-10.0.0.20", "10.0.0.5-10.0.0.9"},
		{"10.0.0.0/24", "10.0.1.0/24", ""},
		{"10.2.0.0/24 10.1.0.0/24", "0.0.0.0/0 ::/0", "10.1.0.0/24 10.2.0.0/24"},
		{"0.0.0.0/0", "::/0", ""},
		{"", "0.0.0.0/0", ""},
	} {
		if got := rangesText(Intersect(ranges(t, row.a), ranges(t, row.b))); got != row.want {
			t.Errorf("%s and %s: %s, expected %s", row.a, row.b, got, row.want)
		}
	}
}

func TestSubtract(t *testing.T) {
	for _, row := range []struct{ name, from, hole, want string }{
		{"the middle", "10.0.0.0/8", "10.1.0.0/16", "10.0.0.0/16 10.2.0.0-10.255.255.255"},
		{"the start", "10.0.0.0/24", "10.0.0.0/25", "10.0.0.128/25"},
		{"the end", "10.0.0.0/24", "10.0.0.128/25", "10.0.0.0/25"},
		{"all of it", "10.0.0.0/24", "10.0.0.0/24", ""},
		{"more than all of it", "10.0.0.0/24", "0.0.0.0/0", ""},
		{"beside it, below", "10.0.1.0/24", "10.0.0.0/24", "10.0.1.0/24"},
		{"beside it, above", "10.0.1.0/24", "10.0.2.0/24", "10.0.1.0/24"},
		{"across its start", "10.0.0.10-10.0.0.20", "10.0.0.0-10.0.0.10", "10.0.0.11-10.0.0.20"},
		{"across its end", "10.0.0.10-10.0.0.20", "10.0.0.20-10.0.0.30", "10.0.0.10-10.0.0.19"},
		{"one address", "8.8.8.8/32", "8.8.8.8/32", ""},
		{"out of several", "10.0.0.0/24 10.0.2.0/24 10.0.4.0/24", "10.0.0.255-10.0.4.0",
			"10.0.0.0-10.0.0.254 10.0.4.1-10.0.4.255"},
		{"the first address of IPv4", "0.0.0.0/0", "0.0.0.0/32", "0.0.0.1-255.255.255.255"},
		{"the last address of IPv4", "0.0.0.0/0", "255.255.255.255/32", "0.0.0.0-255.255.255.254"},
		{"half of IPv4", "0.0.0.0/0", "128.0.0.0/1", "0.0.0.0/1"},
		{"the first address of IPv6", "::/0", "::/128", "::1-" + top6},
		{"the last address of IPv6", "::/0", top6 + "/128",
			"::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"},
		{"all of IPv6", "::/0", "::/0", ""},
		{"the other family: IPv6 from IPv4", "0.0.0.0/0", "::/0", "0.0.0.0/0"},
		{"the other family: IPv4 from IPv6", "::/0", "0.0.0.0/0", "::/0"},
		{"of both families", "0.0.0.0/0 ::/0", "::/1", "0.0.0.0/0 8000::/1"},
		{"from nothing", "", "0.0.0.0/0", ""},
		{"nothing", "10.0.0.0/24", "", "10.0.0.0/24"},
		{"several, unsorted and overlapping", "10.0.0.0/24",
			"10.0.0.64/26 10.0.0.0/32 10.0.0.96/27 9.9.9.9/32 ::/0",
			"10.0.0.1-10.0.0.63 10.0.0.128/25"},
		{"several to the end", "10.0.0.0/30", "10.0.0.3/32 10.0.0.1/32", "10.0.0.0/32 10.0.0.2/32"},
		{"several that are all of it", "10.0.0.0/24 10.0.1.0/24",
			"10.0.0.0/25 10.0.0.128/25 10.0.1.128/25", "10.0.1.0/25"},
	} {
		if got := rangesText(subtract(ranges(t, row.from), ranges(t, row.hole))); got != row.want {
			t.Errorf("%s: %s - %s = %s, want %s", row.name, row.from, row.hole, got, row.want)
		}
	}
}

func TestUnion(t *testing.T) {
	for _, row := range []struct{ name, of, want string }{
		{"nothing", "", ""},
		{"apart", "10.0.2.0/24 10.0.0.0/24", "10.0.0.0/24 10.0.2.0/24"},
		{"adjacent", "10.0.1.0/24 10.0.0.0/24", "10.0.0.0/23"},
		{"adjacent, but no prefix", "10.0.1.0/24 10.0.2.0/24", "10.0.1.0-10.0.2.255"},
		{"one apart", "10.0.0.0-10.0.0.1 10.0.0.3-10.0.0.4", "10.0.0.0/31 10.0.0.3-10.0.0.4"},
		{"overlapping", "10.0.0.0-10.0.0.9 10.0.0.5-10.0.0.20", "10.0.0.0-10.0.0.20"},
		{"one in another", "10.0.0.0/8 10.1.0.0/16 10.2.0.0/16", "10.0.0.0/8"},
		{"the same twice", "8.8.8.8/32 8.8.8.8/32", "8.8.8.8/32"},
		{"the same start", "10.0.0.0/30 10.0.0.0/24 10.0.0.0/32", "10.0.0.0/24"},
		{"a chain of three", "10.0.0.4/30 10.0.0.0/30 10.0.0.8/29", "10.0.0.0/28"},
		{"up to the end of IPv4", "255.255.255.255/32 0.0.0.0/0", "0.0.0.0/0"},
		{"both ends of IPv4", "255.255.255.255/32 0.0.0.0/32", "0.0.0.0/32 255.255.255.255/32"},
		{"both ends of IPv6", top6 + "/128 ::/128", "::/128 " + top6 + "/128"},
		{"both halves of IPv6", "8000::/1 ::/1", "::/0"},
		{"the end of IPv4 does not touch the start of IPv6", "::/0 0.0.0.0/0", "0.0.0.0/0 ::/0"},
		{"families do not mix", "::/8 8.0.0.0/8 100::/8 9.0.0.0/8", "8.0.0.0/7 ::/7"},
	} {
		if got := rangesText(Union(ranges(t, row.of))); got != row.want {
			t.Errorf("%s: the union of %s is %s, want %s", row.name, row.of, got, row.want)
		}
	}
}

func TestTouch(t *testing.T) {
	for _, row := range []struct {
		a, b string
		want bool
	}{
		{"10.0.0.0/24", "10.0.1.0/24", true},
		{"10.0.0.0/24", "10.0.1.1/32", false},
		{"10.0.0.0/24", "10.0.0.255/32", true},
		{"255.255.255.255/32", "255.255.255.255/32", true},
		{"255.255.255.255/32", "::/128", false},
		{"0.0.0.0/0", "::/0", false},
		{top6 + "/128", top6 + "/128", true},
		{"::/1", "8000::/128", true},
	} {
		if got := touch(ranges(t, row.a)[0], ranges(t, row.b)[0]); got != row.want {
			t.Errorf("%s, %s: %t", row.a, row.b, got)
		}
	}
}

// Whatever is drawn, both work address by address; here on the last addresses of each
// family, where a successor is missing.
func TestRangesAddressByAddress(t *testing.T) {
	for _, start := range []string{"0.0.0.0", "255.255.255.248", "::",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff8"} {
		all := eight(netip.MustParseAddr(start))
		for code := range 1 << 12 {
			a, b := ruleset.Range{First: all[code&7], Last: all[code>>3&7]},
				ruleset.Range{First: all[code>>6&7], Last: all[code>>9]}
			if a.Last.Less(a.First) || b.Last.Less(b.First) {
				continue
			}
			without, either := subtract([]ruleset.Range{a}, []ruleset.Range{b}),
				Union([]ruleset.Range{a, b})
			for _, addr := range all {
				inA, inB := a.Contains(addr), b.Contains(addr)
				if inAny(without, addr) != (inA && !inB) || inAny(either, addr) != (inA || inB) {
					t.Fatalf("%s of %s and %s: without %v, either %v", addr, a, b, without, either)
				}
			}
		}
	}
}

func eight(first netip.Addr) []netip.Addr {
	all := []netip.Addr{first}
	for len(all) < 8 {
		all = append(all, all[len(all)-1].Next())
	}
	return all
}

func inAny(list []ruleset.Range, a netip.Addr) bool {
	return slices.ContainsFunc(list, func(r ruleset.Range) bool { return r.Contains(a) })
}

func TestOfFamily(t *testing.T) {
	list := ranges(t, "10.0.0.0/8 ::/8 8.8.8.8/32")
	if got := rangesText(OfFamily(list, ruleset.IPv4)); got != "10.0.0.0/8 8.8.8.8/32" {
		t.Errorf("IPv4: %s", got)
	}
	if got := rangesText(OfFamily(list, ruleset.IPv6)); got != "::/8" {
		t.Errorf("IPv6: %s", got)
	}
}

// What a policy's CIDR and a pod's address mean is what an API server's own parser reads.
func TestLeadingZerosAreReadAsAPIServersDo(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{"010.244.002.0/24", "10.244.2.0/24"},
		{"10.244.2.0/024", "10.244.2.0/24"},
		{"0000000000000000010.0.0.00/000", "10.0.0.0/0"},
		{"10.8.09.010/32", "10.8.9.10/32"},
		{"000.000.000.000/0", "0.0.0.0/0"},
		{"0fd00:0001::00001/0064", "fd00:1::1/64"},
		{"fd00::010.0.0.1/128", "fd00::a00:1/128"},
		{"::/0", "::/0"},
		{"010.0.0.0256/8", ""},
		{"0.0.0/8", ""},
		{"0x0a.0.0.0/8", ""},
		{"10.0.0.0/", ""},
		{"010.0.0.0/-08", ""},
	} {
		got, ok := ParseCIDR(row.text)
		if text := map[bool]string{true: got.String()}[ok]; text != row.want {
			t.Errorf("%s is %q, want %q", row.text, text, row.want)
		}
		sameAsAPIServers(t, row.text)
	}
}

// FuzzParseCIDR: whatever text it is, an API server's own parser reads the same, or refuses
// it too.
func FuzzParseCIDR(f *testing.F) {
	for _, text := range []string{"010.1.2.3/08", "0fd00::0/064", "::ffff:1.2.3.4/120",
		"::01.2.3.4/0"} {
		f.Add(text)
	}
	f.Fuzz(sameAsAPIServers)
}

func sameAsAPIServers(t *testing.T, text string) {
	t.Helper()
	got, ok := ParseCIDR(text)
	_, want, err := utilnet.ParseCIDRSloppy(text)
	if mapped := strings.Contains(text, ":") && ok && got.Addr().Is4In6(); mapped {
		return // refused by the callers
	}
	if ok != (err == nil) || ok && got.Masked().String() != want.String() {
		t.Errorf("%q is %v, %t; an API server reads %v, %v", text, got, ok, want, err)
	}
	address, _, _ := strings.Cut(text, "/")
	own, ok := ParseAddr(address)
	theirs := utilnet.ParseIPSloppy(address)
	if ok && own.String() != theirs.String() {
		t.Errorf("%q is %v; an API server reads %v", address, own, theirs)
	}
}
