package ruleset

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestOriginAndRuleText(t *testing.T) {
	dns, all := Origin{"default/allow-dns", Egress, 0}, Origin{"default/all", Ingress, 12}
	tests := []struct{ got, want string }{
		{dns.String(), "default/allow-dns egress[0]"},
		{all.String(), "default/all ingress[12]"},
		{Origin{}.String(), "itself"},
		{Rule{Origins: []Origin{{}}}.String(), "anyone any                               # itself"},
		{Rule{Proto: TCP, Ports: []PortRange{{80, 80}, {90, 99}}, Origins: []Origin{dns,
			all}}.String(),
			"anyone tcp 80,90-99                      # default/allow-dns egress[0], default/all " +
				"ingress[12]"},
		{Rule{Peer: InSet(web), Proto: UDP}.String(), "@pods4-web udp"},
		{Rule{Peer: InPrefix(prefix("10.1.2.3/8"))}.String(), "10.0.0.0/8 any"},
		{Rule{Peer: InPrefix(prefix("::/0")), Proto: SCTP}.String(), "::/0 sctp"},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

func TestOriginOrder(t *testing.T) {
	sorted := []Origin{{}, {"a/p", Ingress, 0}, {"a/p", Ingress, 1}, {"a/p", Ingress, 10},
		{"a/p", Egress, 0}, {"a/q", Ingress, 0}, {"b/a", Ingress, 0}}
	for i, a := range sorted {
		for j, b := range sorted {
			if a.Compare(b) != sign(i-j) {
				t.Errorf("%s against %s: %d", a, b, a.Compare(b))
			}
		}
	}
}

func TestReasonText(t *testing.T) {
	at := func(policy string, d Direction, rule int) Origin { return Origin{policy, d, rule} }
	tests := []struct {
		origins []Origin
		want    Reason
	}{
		{nil, ""},
		{[]Origin{{}}, "itself"},
		{[]Origin{{}, at("a/p", Ingress, 0)}, "itself, a/p ingress[0]"},
		{[]Origin{at("a/p", Ingress, 3)}, "a/p ingress[3]"},
		{[]Origin{at("a/p", Ingress, 0), at("a/p", Ingress, 1)}, "a/p ingress[0-1]"},
		{[]Origin{at("a/p", Ingress, 0), at("a/p", Ingress, 2), at("a/p", Ingress, 3),
			at("a/p", Ingress, 4)}, "a/p ingress[0,2-4]"},
		{[]Origin{at("a/p", Ingress, 0), at("a/p", Egress, 1), at("b/p", Egress, 1)},
			"a/p ingress[0], a/p egress[1], b/p egress[1]"},
	}
	for _, test := range tests {
		got := ReasonOf(test.origins)
		if got != test.want || !slices.Equal(got.Origins(), test.origins) {
			t.Errorf("%v: %q, read as %v; want %q", test.origins, got, got.Origins(), test.want)
		}
	}
}

func someOrigins() *rapid.Generator[[]Origin] {
	policies := []string{"", "a/p", "kube-system/allow-dns.v2", "x/" + strings.Repeat("p", 60)}
	one := rapid.Custom(func(t *rapid.T) Origin {
		o := Origin{Policy: rapid.SampledFrom(policies).Draw(t, "policy")}
		if o.Policy != "" {
			o.Direction = rapid.SampledFrom(Directions[:]).Draw(t, "direction")
			o.Rule = rapid.IntRange(0, 40).Draw(t, "rule")
		}
		return o
	})
	return rapid.Map(rapid.SliceOfNDistinct(one, 0, 60, rapid.ID), func(list []Origin) []Origin {
		return slices.SortedFunc(slices.Values(list), Origin.Compare)
	})
}

// A reason is read back as it was written, and an abbreviation is recognized as one of it.
func TestReasonRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		origins, others := someOrigins().Draw(t, "origins"), someOrigins().Draw(t, "others")
		reason, other := ReasonOf(origins), ReasonOf(others)
		if back := reason.Origins(); !slices.Equal(back, origins) {
			t.Fatalf("%q is read as %v", reason, back)
		}
		limit := rapid.IntRange(16, 200).Draw(t, "limit")
		short := reason.Abbreviated(limit)
		if len(short) > limit || !short.Abbreviates(reason) || short.Abbreviated(limit) != short {
			t.Fatalf("%q is abbreviated to %q", reason, short)
		}
		if len(reason) <= limit && short != reason {
			t.Fatalf("%q has room, but became %q", reason, short)
		}
		if reason.Abbreviates(other) && reason != other {
			t.Fatalf("%q is taken for %q", reason, other)
		}
	})
}

func TestReasonIsAbbreviated(t *testing.T) {
	full := Reason("a/p ingress[0], b/p ingress[1-3], c/p ingress[0,2]")
	for limit, want := range map[int]Reason{
		100: full, len(full): full,
		len(full) - 1: "a/p ingress[0], b/p ingress[1-3], and 2 others",
		45:            "a/p ingress[0], and 5 others",
		27:            "a/p ingress[0], b/p ingr...",
	} {
		if got := full.Abbreviated(limit); got != want {
			t.Errorf("to %d bytes: %q, want %q", limit, got, want)
		}
	}
	for _, wrong := range []Reason{"", "a/p ingress[0]", "a/p ingress[0], and 4 others", "a/q...",
		"b/p ingress[1-3], and 3 others", "a/p ingress[0], and 5 others "} {
		if wrong.Abbreviates(full) {
			t.Errorf("%q is taken for %q", wrong, full)
		}
	}
}

// Whatever somebody writes into a comment is read without a panic, and in little time.
func FuzzReason(f *testing.F) {
	for _, text := range []string{"a/p ingress[0-7,9]", "itself", "a b[",
		"a ingress[0-99999999999]", ", and 3 others", "a ingress[9-1,-1--1]"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := Reason(text)
		_, _ = r.Origins(), r.Abbreviated(127)
		if !r.Abbreviates(r) {
			t.Errorf("%q does not stand for itself", text)
		}
	})
}

func TestOthersAreCountedInWords(t *testing.T) {
	for n, want := range map[int]string{1: "1 other", 2: "2 others", 17: "17 others"} {
		if got := Others(n); got != want {
			t.Errorf("%d: %q, expected %q", n, got, want)
		}
	}
}
