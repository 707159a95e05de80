package policy_test

import (
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/picket-project/picket/ruleset/policy"
)

func TestProblemNamesItsPolicy(t *testing.T) {
	got := policy.Parse(netpol(t, "a/p {policyTypes: [ingress]}")).Problems[0]
	want := `NetworkPolicy a/p: spec.policyTypes[0]: Invalid value: "ingress": expected Ingress or Egress; until this is mended the policy isolates in both directions`
	if got.String() != want || got.Policy != (policy.Key{Namespace: "a", Name: "p"}) {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// What is told of a policy fits on a page, however much of it is wrong.
func TestProblemsAreBounded(t *testing.T) {
	p := netpol(t, "a/p {podSelector: {}}")
	long := strings.Repeat("ü", 1<<20)
	p.Spec.PodSelector.MatchLabels = map[string]string{long: long}
	for range 10_000 {
		p.Spec.PolicyTypes = append(p.Spec.PolicyTypes, networkingv1.PolicyType(long))
	}
	problems := policy.Parse(p).Problems
	if len(problems) != 21 {
		t.Fatalf("%d problems, want 20 and how many more there are", len(problems))
	}
	if got, want := problems[20].Error.Error(),
		`spec: Invalid value: "...": 9981 more problems, told once these are mended`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	p.Spec.PolicyTypes = p.Spec.PolicyTypes[:1]
	for _, problem := range policy.Parse(p).Problems {
		if text := problem.String(); len(text) > 2000 || strings.Contains(text, "\ufffd") {
			t.Errorf("%d bytes: %s", len(text), text)
		}
	}
}
