package ruleset

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestRangeOfPrefix(t *testing.T) {
	tests := []struct{ prefix, first, last string }{
		{"0.0.0.0/0", "0.0.0.0", "255.255.255.255"},
		{"10.1.2.3/8", "10.0.0.0", "10.255.255.255"}, // host bits do not matter
		{"10.1.2.3/31", "10.1.2.2", "10.1.2.3"},
		{"0.0.0.0/32", "0.0.0.0", "0.0.0.0"},
		{"255.255.255.255/32", "255.255.255.255", "255.255.255.255"},
		{"128.0.0.0/1", "128.0.0.0", "255.255.255.255"},
		{"::/0", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"2001:db8:8000::/33", "2001:db8:8000::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"fd00::1/127", "fd00::", "fd00::1"},
		{"::/128", "::", "::"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	}
	for _, test := range tests {
		p := prefix(test.prefix)
		r := Range{addr(test.first), addr(test.last)}
		if got := RangeOf(p); got != r {
			t.Errorf("RangeOf(%s) = %s-%s, want %s-%s", p, got.First, got.Last, r.First, r.Last)
		}
		if got, ok := r.Prefix(); !ok || got != p.Masked() {
			t.Errorf("Range{%s, %s}.Prefix() = %s, %t; want %s", r.First, r.Last, got, ok,
				p.Masked())
		}
		if got := r.String(); got != p.Masked().String() {
			t.Errorf("Range{%s, %s} prints as %q", r.First, r.Last, got)
		}
	}
}

func TestRangeOfNothing(t *testing.T) {
	for _, p := range []netip.Prefix{{}, netip.PrefixFrom(netip.Addr{}, 0),
		netip.PrefixFrom(addr("10.0.0.0"), 33)} {
		if r := RangeOf(p); r != (Range{}) {
			t.Errorf("RangeOf(%s) = %s", p, r)
		}
	}
}

func TestRangeThatIsNoPrefix(t *testing.T) {
	tests := []struct{ first, last string }{
		{"0.0.0.0", "255.255.255.254"},
		{"0.0.0.1", "255.255.255.255"},
		{"10.0.0.1", "10.0.0.2"}, // two addresses, but not aligned
		{"10.0.0.0", "10.0.0.2"},
		{"::1", "::2"},
		{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe"},
	}
	for _, test := range tests {
		r := Range{addr(test.first), addr(test.last)}
		if p, ok := r.Prefix(); ok {
			t.Errorf("%s-%s is no prefix, but %s", test.first, test.last, p)
		}
		if want := test.first + "-" + test.last; r.String() != want {
			t.Errorf("%q prints as %q", want, r)
		}
	}
}

func TestRangeContains(t *testing.T) {
	tests := []struct {
		first, last, addr string
		want              bool
	}{
		{"10.0.0.2", "10.0.0.4", "10.0.0.1", false},
		{"10.0.0.2", "10.0.0.4", "10.0.0.2", true},
		{"10.0.0.2", "10.0.0.4", "10.0.0.4", true},
		{"10.0.0.2", "10.0.0.4", "10.0.0.5", false},
		{"0.0.0.0", "255.255.255.255", "0.0.0.0", true},
		{"0.0.0.0", "255.255.255.255", "255.255.255.255", true},
		{"0.0.0.0", "255.255.255.255", "::", false},
		{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "10.0.0.1", false},
		{"::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::ffff:10.0.0.1", true}, // mapped: IPv6
		{"fd00::2", "fd00::4", "fd00::5", false},
	}
	for _, test := range tests {
		r := Range{addr(test.first), addr(test.last)}
		if got := r.Contains(addr(test.addr)); got != test.want {
			t.Errorf("%s contains %s: %t", r, test.addr, got)
		}
	}
}

// netip is the reference: a range that came from a prefix holds what the prefix holds, prints
// like it and is it.
func TestRangeAgreesWithPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := families().Draw(t, "family")
		raw := rapid.SliceOfN(rapid.Byte(), f.Bits()/8, f.Bits()/8)
		a, _ := netip.AddrFromSlice(raw.Draw(t, "address"))
		other, _ := netip.AddrFromSlice(raw.Draw(t, "other"))
		p := netip.PrefixFrom(a, rapid.IntRange(0, f.Bits()).Draw(t, "bits"))
		r := RangeOf(p)
		for _, x := range []netip.Addr{a, other, r.First, r.Last, r.First.Prev(), r.Last.Next()} {
			if x.IsValid() && r.Contains(x) != p.Contains(x) {
				t.Fatalf("%s contains %s: %t", r, x, r.Contains(x))
			}
		}
		if back, ok := r.Prefix(); !ok || back != p.Masked() || r.String() != back.String() {
			t.Fatalf("%s → %s → %s", p, r, back)
		}
	})
}

func TestFamily(t *testing.T) {
	tests := []struct {
		addr   string
		family Family
		text   string
		bits   int
	}{
		{"10.0.0.1", IPv4, "IPv4", 32},
		{"fd00::1", IPv6, "IPv6", 128},
		{"::ffff:10.0.0.1", IPv6, "IPv6", 128},
	}
	for _, test := range tests {
		f := FamilyOf(addr(test.addr))
		if f != test.family || f.String() != test.text || f.Bits() != test.bits {
			t.Errorf("%s: %s with %d bits", test.addr, f, f.Bits())
		}
	}
}
