package policy_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/picket-project/picket/ruleset/policy"
)

// A wrong value is one clear problem, and has the policies of the namespace enforced.
func TestNamespaceWithAWrongAudit(t *testing.T) {
	for value, want := range map[string]policy.AuditMode{
		"true": policy.Audited, "false": policy.Enforced, "yes": policy.Enforced,
	} {
		object := &corev1.Namespace{}
		object.Name = "shop"
		object.Annotations = map[string]string{policy.AuditAnnotation: value,
			policy.MonitorAnnotation: "nonsense"}
		ns := policy.NewNamespace(object)
		if ns.Audit != want || (len(ns.Problems) == 1) != (value == "yes") {
			t.Errorf("%q: %d, %v", value, ns.Audit, ns.Problems)
		}
		const text = `Namespace shop: metadata.annotations[picket.dev/audit]: Invalid value: "yes": ` +
			`expected "true" or "false"; until this is mended the policies of the namespace are enforced`
		if len(ns.Problems) > 0 && ns.Problems[0].String() != text {
			t.Errorf("%s, want %s", ns.Problems[0], text)
		}
		mended := object.DeepCopy()
		mended.Annotations[policy.AuditAnnotation] = "false"
		if same := ns.Equal(policy.NewNamespace(mended)); same != (value == "false") {
			t.Errorf("%q: equal to what says false: %t", value, same)
		}
	}
}
