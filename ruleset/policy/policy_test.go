package policy_test

import (
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset/policy"
)

// The name of a parsed policy is made once, however many keep it; one that was not parsed has it, too.
func TestNameIsMadeOnce(t *testing.T) {
	np := &networkingv1.NetworkPolicy{}
	np.Namespace, np.Name = "shop", "deny"
	p := policy.Parse(np)
	kept := make([]string, 0, 100)
	n := testing.AllocsPerRun(10, func() { kept = append(kept, p.String()) })
	if n != 0 || kept[0] != "shop/deny" {
		t.Errorf("%s, made with %v allocations", kept[0], n)
	}
	if p := (policy.Policy{Key: p.Key}); p.String() != "shop/deny" {
		t.Error(p)
	}
}
