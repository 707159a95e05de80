package cli_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// What only the cluster has of labels and annotations stays, as with kubectl apply, unless it was
// applied the last time; with --replace it goes, and what only a file has that is no cluster's,
// too.
func TestDiffAppliesAsKubectlDoes(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	const pods = `
---
{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: data, labels: {app: db}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: data}
spec: {podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: shop}}}]}]}
---
{apiVersion: v1, kind: Namespace, metadata: {name: data}}
---
`
	const plain = `{apiVersion: v1, kind: Namespace, metadata: {name: shop}}`
	const labelled = `{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: shop}`
	applied := labelled + `, annotations: {kubectl.kubernetes.io/last-applied-configuration: ` +
		`'{"metadata":{"name":"shop","labels":{"team":"shop"}}}'}}}`
	const ofCluster = `, resourceVersion: "7", uid: 1f0e, managedFields: [{manager: m, operation: %s, ` +
		`fieldsType: FieldsV1, fieldsV1: {"f:metadata": {"f:labels": {".": {}, "f:%s": {}}}}}]}}`
	owned := func(operation, label string) string {
		return labelled + fmt.Sprintf(ofCluster, operation, label)
	}
	for name, c := range map[string]struct {
		base, flags string
		cuts        bool
	}{
		"a label by kubectl label":          {labelled + `, resourceVersion: "7"}}`, "", false},
		"a label of a manager that edits":   {owned("Update", "team"), "", false},
		"a label of one that applies":       {owned("Apply", "team"), "", true},
		"another label of one that does":    {owned("Apply", "tier"), "", false},
		"a label in a file that is no dump": {labelled + "}}", "", true},
		"a label that was applied once":     {applied, "", true},
		"all there will be":                 {owned("Update", "team"), "--replace", true},
	} {
		dir := t.TempDir()
		base, change := filepath.Join(dir, "base.yaml"), filepath.Join(dir, "new.yaml")
		write(t, base, pods+c.base)
		write(t, change, plain+pods[strings.Index(pods, "\n---\napiVersion"):])
		args := append([]string{"diff", "--base", base, "-f", change}, strings.Fields(c.flags)...)
		code, stdout, stderr := picket(args...)
		if cuts := strings.Contains(stdout, "shop/web -> data/db"); cuts != c.cuts || (code == 1) != cuts {
			t.Errorf("%s: exit code %d\n%s%s", name, code, stdout, stderr)
		}
	}
}

// What states no namespace is in that of -n, as with kubectl apply, and so is a name without one.
func TestDiffInANamespace(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	dir := t.TempDir()
	base, change := filepath.Join(dir, "base.yaml"), filepath.Join(dir, "new.yaml")
	const deny = `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny}, ` +
		`spec: {podSelector: {}}}`
	write(t, base, `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}
---
{apiVersion: v1, kind: Pod, metadata: {name: db, namespace: data}}
---
`+strings.Replace(deny, "deny", "deny, namespace: data", 1))
	write(t, change, deny)
	for flags, want := range map[string]string{
		"-n shop -f " + change:                "+ shop/deny",
		"-f " + change:                        "nothing changes",
		"-n data --delete deny":               "- data/deny",
		"--delete data/deny":                  "- data/deny",
		"--delete deny":                       "no policy default/deny",
		"-n shop -f " + change + " --replace": "- data/deny",
	} {
		code, stdout, stderr := picket(append([]string{"diff", "--base", base}, strings.Fields(flags)...)...)
		if !strings.Contains(stdout+stderr, want) {
			t.Errorf("%s: exit code %d; expected %q\n%s%s", flags, code, want, stdout, stderr)
		}
	}
}

// With --strict what is wrong in the new files is an answer.
func TestDiffIsStrict(t *testing.T) {
	dir := t.TempDir()
	base, change := filepath.Join(dir, "base.yaml"), filepath.Join(dir, "new.yaml")
	write(t, base, `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}`)
	write(t, change, `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p, namespace: shop}
spec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]}
`)
	if code, stdout, stderr := picket("diff", "--base", base, "-f", change, "--strict"); code != 1 ||
		stdout != "" || !strings.Contains(stderr, "--strict: 1 problem in the manifests") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// Files without a policy are no change that changes nothing: a template that failed states nothing.
func TestDiffOfNothing(t *testing.T) {
	dir := t.TempDir()
	base, change := filepath.Join(dir, "base.yaml"), filepath.Join(dir, "new.yaml")
	write(t, base, `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}`)
	write(t, change, "")
	if code, stdout, stderr := picket("diff", "--base", base, "-f", change); code != 2 || stdout != "" ||
		!strings.Contains(stderr, "new.yaml: states no object") ||
		!strings.Contains(stderr, "-f: no NetworkPolicy and no Namespace there") {
		t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
	}
}

// The end of an audit in git is told of, and files that are not there are those of the flag that
// names them.
func TestDiffOfFiles(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	dir := t.TempDir()
	base, change := filepath.Join(dir, "base.yaml"), filepath.Join(dir, "new.yaml")
	const policy = `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p, ` +
		`namespace: shop}, spec: {podSelector: {}}}`
	audited := strings.Replace(policy, "shop}", `shop, annotations: {picket.dev/audit: "true"}}`, 1)
	write(t, base, `{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}}
---
`+audited)
	write(t, change, policy)
	for args, want := range map[string]string{
		"--base " + base + " -f " + change:       "~ shop/p\n  would isolate 1 pod of shop/web",
		"--base /no/such/base -f " + change:      "picket: --base: read manifests: stat /no/such/base",
		"--base " + base + " -f /no/such/change": "picket: --manifests: read manifests: stat /no/such/change",
	} {
		_, stdout, stderr := picket(append([]string{"diff"}, strings.Fields(args)...)...)
		if !strings.Contains(stdout+stderr, want) {
			t.Errorf("%s: expected %q\n%s%s", args, want, stdout, stderr)
		}
	}
}
