package ruleset

import "testing"

func TestRuleSame(t *testing.T) {
	rule := Rule{Peer: InSet(web), Proto: TCP, Ports: []PortRange{{80, 80}},
		Origins: []Origin{{"a/p", Ingress, 0}}}
	tests := []struct {
		name string
		edit func(*Rule)
		want bool
	}{
		{"nothing", func(*Rule) {}, true},
		{"origins", func(r *Rule) { r.Origins = nil }, true},
		{"peer", func(r *Rule) { r.Peer = Peer{} }, false},
		{"protocol", func(r *Rule) { r.Proto = UDP }, false},
		{"ports", func(r *Rule) { r.Ports = nil }, false},
	}
	for _, test := range tests {
		other := rule
		test.edit(&other)
		if rule.Same(other) != test.want {
			t.Errorf("%s differ: same is %t", test.name, !test.want)
		}
	}
}
