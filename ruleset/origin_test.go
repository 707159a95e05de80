package ruleset

import "testing"

func TestOriginAndRuleText(t *testing.T) {
	dns, all := Origin{"default/allow-dns", Egress, 0}, Origin{"default/all", Ingress, 12}
	tests := []struct{ got, want string }{
		{dns.String(), "default/allow-dns egress[0]"},
		{all.String(), "default/all ingress[12]"},
		{Origin{}.String(), "itself"},
		{Rule{Origins: []Origin{{}}}.String(), "anyone any                               # itself"},
		{Rule{Proto: TCP, Ports: []PortRange{{80, 80}, {90, 99}}, Origins: []Origin{dns, all}}.String(),
			"anyone tcp 80,90-99                      # default/allow-dns egress[0], default/all ingress[12]"},
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
	sorted := []Origin{{}, {"a/p", Ingress, 0}, {"a/p", Ingress, 1}, {"a/p", Ingress, 10}, {"a/p", Egress, 0}, {"a/q", Ingress, 0}, {"b/a", Ingress, 0}}
	for i, a := range sorted {
		for j, b := range sorted {
			if a.Compare(b) != sign(i-j) {
				t.Errorf("%s against %s: %d", a, b, a.Compare(b))
			}
		}
	}
}
