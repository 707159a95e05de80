package ruleset

import "testing"

func TestPortRange(t *testing.T) {
	tests := []struct {
		ports   PortRange
		text    string
		inside  []uint16
		outside []uint16
	}{
		{PortRange{80, 80}, "80", []uint16{80}, []uint16{79, 81, 0, 65535}},
		{PortRange{1, 65535}, "1-65535", []uint16{1, 65535}, []uint16{0}},
		{PortRange{0, 65535}, "0-65535", []uint16{0, 1, 65535}, nil},
		{PortRange{65535, 65535}, "65535", []uint16{65535}, []uint16{65534, 0}},
		{PortRange{8000, 9000}, "8000-9000", []uint16{8000, 8500, 9000}, []uint16{7999, 9001}},
	}
	for _, test := range tests {
		if got := test.ports.String(); got != test.text {
			t.Errorf("%q, want %q", got, test.text)
		}
		for want, ports := range map[bool][]uint16{true: test.inside, false: test.outside} {
			for _, port := range ports {
				if test.ports.Contains(port) != want {
					t.Errorf("%s contains %d: %t", test.ports, port, !want)
				}
			}
		}
	}
}

func TestParseProtocol(t *testing.T) {
	tests := []struct {
		text string
		want Protocol
		ok   bool
	}{
		{"tcp", TCP, true}, {"TCP", TCP, true}, {"Udp", UDP, true}, {"SCTP", SCTP, true},
		{"", AnyProtocol, false}, {"any", AnyProtocol, false}, {"icmp", AnyProtocol, false},
		{"6", AnyProtocol, false}, {"tcp ", AnyProtocol, false},
	}
	for _, test := range tests {
		got, err := ParseProtocol(test.text)
		if got != test.want || (err == nil) != test.ok {
			t.Errorf("ParseProtocol(%q) = %s, %v", test.text, got, err)
		}
	}
}

func TestProtocolText(t *testing.T) {
	for p, want := range map[Protocol]string{AnyProtocol: "any", TCP: "tcp", UDP: "udp",
		SCTP: "sctp", 1: "proto-1", 255: "proto-255"} {
		if p.String() != want {
			t.Errorf("protocol %d prints as %q, want %q", uint8(p), p, want)
		}
	}
}
