package manifests

import (
	"path/filepath"
	"testing"
)

// A field of a policy is found on its line, in every document of a file and in lists.
func TestPlace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yaml")
	write(t, filepath.Dir(path), map[string]string{"x.yaml": `# a comment
apiVersion: v1
kind: Pod
metadata: {name: web}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: a}
spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: web
  ingress:
  - from: []
  - ports:
    - port: http
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: {name: two}
- apiVersion: networking.k8s.io/v1
  kind: NetworkPolicy
  metadata:
    name: two
  spec: {podSelector: {}}
`})
	// What states no namespace is in that of the input.
	all, problems, err := Input{Paths: []string{path}, Namespace: "b"}.Load()
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	web, two := Key{Policy, "a", "web"}, Key{Policy, "b", "two"}
	for _, row := range []struct {
		of    Key
		field string
		line  int
	}{
		{web, "", 6}, {web, "spec.podSelector", 10}, {web, "spec.ingress[1].ports[0].port", 16},
		{web, "spec.podSelector.matchLabels[app.kubernetes.io/name]", 12},
		{web, "spec.ingress[1].from", 15}, {web, "spec.ingress[7]", 13},
		{two, "spec.podSelector", 28}, {two, "metadata.name", 27},
	} {
		if got := all.Place(row.of, row.field); got != (Place{path, row.line}) {
			t.Errorf("%v %s: %v, want line %d", row.of, row.field, got, row.line)
		}
	}
}

// Policies of other engines are not kept, but named.
func TestForeign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.yaml")
	write(t, filepath.Dir(path), map[string]string{"x.yaml": `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: p, namespace: a}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: b}
---
apiVersion: crd.projectcalico.org/v1
kind: GlobalNetworkPolicy
metadata: {name: g}
`})
	all, _, err := Load(path)
	if err != nil || len(all.Foreign) != 2 || all.Skipped != 3 {
		t.Fatal(err, all.Foreign, all.Skipped)
	}
	want := path + ": document 1: CiliumNetworkPolicy a/p: cilium.io/v2"
	if got := all.Foreign[0].Error(); got != want || all.Line(all.Foreign[1]) != 9 {
		t.Errorf("%s, line %d", got, all.Line(all.Foreign[1]))
	}
}
