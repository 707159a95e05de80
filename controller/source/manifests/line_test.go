package manifests

import (
	"errors"
	"path/filepath"
	"strings"
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

// What is no YAML or JSON is on its line of the file, and people are told what to look for.
func TestSyntaxErrorsHaveLines(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n---\n"
	for name, row := range map[string]struct {
		content, what, expected string
		line                    int
	}{
		"bracket.yaml": {pod + "kind: NetworkPolicy\nmetadata: {name: web\nspec: {}\n",
			"is no YAML: did not find expected ',' or '}'", "look for a wrong indent", 6},
		"comment.yaml": {"# one\n# two\n" + pod + "metadata: [a\n",
			"is no YAML: did not find expected ',' or ']'", "look for a wrong indent", 7},
		"tab.yaml": {pod + "metadata:\n\tname: x\n",
			"is no YAML: found character that cannot start any token", "indent with spaces", 6},
		"template.yaml": {pod + "kind: NetworkPolicy\nmetadata: {name: {{ .Name }}}\n",
			"is no YAML: invalid map key", "it looks like a template", 6},
		"list.json": {"{\n\"kind\": \"Pod\"}\n{\"items\": [\n1,]}", "is no JSON: invalid character",
			"look for a wrong comma", 4},
	} {
		path := filepath.Join(t.TempDir(), name)
		write(t, filepath.Dir(path), map[string]string{name: row.content})
		all, problems, err := Load(path)
		if err != nil || len(problems) == 0 {
			t.Fatal(name, err, problems)
		}
		var got *SyntaxError
		last := problems[len(problems)-1]
		if !errors.As(last, &got) || !strings.HasPrefix(got.What, row.what) ||
			!strings.HasPrefix(got.Expected, row.expected) || all.Line(last) != row.line {
			t.Errorf("%s: %+v, line %d, expected %+v", name, got, all.Line(last), row)
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
