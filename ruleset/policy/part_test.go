package policy

import (
	"testing"

	"github.com/picket-project/picket/ruleset"
)

// What a policy contributes is kept until it is forgotten, but for names of ports, which every pod has its own for.
func TestPartsAreKept(t *testing.T) {
	plain := &Policy{Key: Key{"a", "plain"}, Rules: [2][]Rule{ruleset.Ingress: {{AnyPeer: true, AnyPort: true}}}}
	naming := &Policy{Key: Key{"a", "naming"}, Rules: [2][]Rule{ruleset.Ingress: {{AnyPeer: true, Names: []PortName{{Name: "web", Proto: ruleset.TCP}}}}}}
	var parts Parts
	pod := Pod{Key: Key{"a", "web"}}
	for _, p := range []*Policy{plain, naming} {
		first := parts.of(pod, ruleset.Ingress, p)
		if again := parts.of(pod, ruleset.Ingress, p); (again == first) != (p == plain) {
			t.Errorf("%s: kept is %t", p, again == first)
		}
	}
	if parts.Forget(plain); len(parts.known) > 0 {
		t.Errorf("after all was forgotten %d are left", len(parts.known))
	}
}
