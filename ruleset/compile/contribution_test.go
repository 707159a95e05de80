package compile

import (
	"strings"
	"testing"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// What a policy contributes is kept until it is forgotten, but for names of ports, which
// every pod has its own for.
func TestContributionsAreKept(t *testing.T) {
	plain := &policy.Policy{Key: policy.Key{Namespace: "a", Name: "plain"},
		Rules: [2][]policy.Rule{ruleset.Ingress: {{AnyPeer: true, AnyPort: true}}}}
	naming := &policy.Policy{Key: policy.Key{Namespace: "a", Name: "naming"},
		Rules: [2][]policy.Rule{ruleset.Ingress: {{AnyPeer: true,
			Names: []policy.PortName{{Name: "web", Proto: ruleset.TCP}}}}}}
	var all contributions
	pod := policy.Pod{Key: policy.Key{Namespace: "a", Name: "web"}}
	for _, p := range []*policy.Policy{plain, naming} {
		first := all.of(Subject{Pod: pod, Direction: ruleset.Ingress}, p)
		if again := all.of(Subject{Pod: pod, Direction: ruleset.Ingress}, p); (again == first) != (p == plain) {
			t.Errorf("%s: kept is %t", p, again == first)
		}
	}
	if all.Forget(plain); len(all.kept) > 0 {
		t.Errorf("after all was forgotten %d are left", len(all.kept))
	}
}

// Rules belong to many chains: what one pod's named ports add must not get into them.
func TestNamedPortsDoNotChangeTheirRule(t *testing.T) {
	roomy := append(make([]ruleset.PortRange, 0, 8), ruleset.PortRange{First: 90, Last: 90})
	rule := policy.Rule{AnyPeer: true, Names: []policy.PortName{{Name: "web", Proto: ruleset.TCP}},
		Ports: []policy.Ports{{Proto: ruleset.UDP,
			Ranges: []ruleset.PortRange{{First: 53, Last: 53}}},
			{Proto: ruleset.TCP, Ranges: roomy}}}
	policies := []*policy.Policy{{Key: policy.Key{Namespace: "a", Name: "p"},
		Rules: [2][]policy.Rule{ruleset.Ingress: {rule}}}}
	for number, want := range map[uint16]string{80: "tcp 80,90", 91: "tcp 90-91", 90: "tcp 90"} {
		pod := policy.Pod{Key: policy.Key{Namespace: "a", Name: "web"},
			Ports: []policy.PortName{{Name: "web", Proto: ruleset.TCP, Number: number}}}
		chain := new(Cache).Template(Subject{Pod: pod, Direction: ruleset.Ingress,
			Deciders: policy.Deciders{Policies: policies, Effect: policy.Isolates}}, Form{}).Isolation(pod, Form{}, NoGroup).Chain
		if got := chain.Steps[0].(ruleset.Rule).String(); !strings.HasPrefix(got, "anyone "+want+" ") {
			t.Errorf("web is %d: %s", number, got)
		}
	}
	if behind := rule.Ports[1].Ranges[:2]; behind[0].String() != "90" ||
		behind[1] != (ruleset.PortRange{}) {
		t.Errorf("the rule has changed: %v", behind)
	}
}
