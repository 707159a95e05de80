package ruleset

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSetNames(t *testing.T) {
	tests := []struct {
		id   SetID
		want string
	}{
		{SetID{Addresses, IPv4, "a"}, "pods4-a"},
		{SetID{Addresses, IPv6, "a"}, "pods6-a"},
		{SetID{AddressPorts, IPv4, "a"}, "ports4-a"},
		{SetID{AddressPorts, IPv6, "a"}, "ports6-a"},
		{SetID{Ranges, IPv4, "a"}, "cidrs4-a"},
		{SetID{Ranges, IPv6, "a-b"}, "cidrs6-a-b"},
	}
	for i, test := range tests {
		if got := test.id.String(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
		for j, other := range tests {
			if got := test.id.Compare(other.id); (got == 0) != (i == j) ||
				got != -other.id.Compare(test.id) {
				t.Errorf("%s against %s: %d", test.want, other.want, got)
			}
		}
	}
}

func TestMemberText(t *testing.T) {
	tests := []struct {
		member Member
		want   string
	}{
		{Member{Addr: addr("10.0.0.1")}, "10.0.0.1"},
		{Member{Addr: addr("fd00::1")}, "fd00::1"},
		{Member{Addr: addr("10.0.0.1"), Proto: UDP, Port: 53}, "10.0.0.1 udp 53"},
		{rangeMember("10.0.0.0", "10.0.0.255"), "10.0.0.0/24"},
		{rangeMember("10.0.0.1", "10.0.0.1"), "10.0.0.1/32"},
		{rangeMember("10.0.0.1", "10.0.0.2"), "10.0.0.1-10.0.0.2"},
		{rangeMember("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), "::/0"},
	}
	for _, test := range tests {
		if got := test.member.String(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestMemberOrder(t *testing.T) {
	sorted := []Member{
		{Addr: addr("10.0.0.1")},
		{Addr: addr("10.0.0.1"), Proto: TCP, Port: 80},
		{Addr: addr("10.0.0.1"), Proto: TCP, Port: 81},
		{Addr: addr("10.0.0.1"), Proto: UDP, Port: 1},
		rangeMember("10.0.0.1", "10.0.0.1"),
		rangeMember("10.0.0.1", "10.0.0.9"),
		{Addr: addr("10.0.0.2")},
		{Addr: addr("::")}, // IPv4 first
	}
	for i, a := range sorted {
		for j, b := range sorted {
			if want := sign(i - j); a.Compare(b) != want {
				t.Errorf("%s against %s: %d, want %d", a, b, a.Compare(b), want)
			}
		}
	}
}

func sign(n int) int { return min(max(n, -1), 1) }

// The search by halves finds what a look at every member finds, at every border of every range.
func TestSetHoldsWhatOneOfItsMembersIs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := sets().Draw(t, "set")
		for _, f := range Families {
			for n := range 64 {
				peer, proto := nth(f, n), rapid.SampledFrom(Protocols[:]).Draw(t, "proto")
				flow := Flow{To: peer, Proto: proto, Port: rapid.Uint16Range(0, 4).Draw(t, "port")}
				if got, want := s.holds(peer, flow.Proto, flow.Port),
					holdsSlowly(s, flow); got != want {
					t.Fatalf("%s %v holds %s: %t", s.ID, s.Members, flow, got)
				}
			}
		}
	})
}

func holdsSlowly(s Set, f Flow) bool {
	return slices.ContainsFunc(s.Members, func(m Member) bool {
		switch s.ID.Kind {
		case Addresses:
			return m.Addr == f.To
		case AddressPorts:
			return m == Member{Addr: f.To, Proto: f.Proto, Port: f.Port}
		default:
			return m.Addr.BitLen() == f.To.BitLen() && !f.To.Less(m.Addr) && !m.Last.Less(f.To)
		}
	})
}
