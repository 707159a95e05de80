package cli_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/cmd/cli"
)

const (
	onePod = "apiVersion: v1\nkind: Pod\nmetadata: {namespace: a, name: web}\n" +
		"spec: {nodeName: n1}\nstatus: {podIP: 10.0.1.2}\n"
	lonePod = "apiVersion: v1\nkind: Pod\n" +
		"metadata: {namespace: a, name: lone, labels: {app: lone}}\n" +
		"spec: {nodeName: n2}\nstatus: {podIP: 10.0.2.2}\n"
	lonePolicy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n" +
		"metadata: {namespace: a, name: lone}\n" +
		"spec: {podSelector: {matchLabels: {app: lone}}}\n"
	openPolicy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n" +
		"metadata: {namespace: a, name: lone}\n" +
		"spec: {podSelector: {matchLabels: {app: lone}}, ingress: [{}]}\n"
	shop = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {namespace: a, name: shop}\n" +
		"spec: {replicas: 3, template: {metadata: {labels: {app: lone}}, spec: {containers: " +
		"[{name: c}]}}}\n"
)

// tree writes files into a folder and makes it the working directory.
func tree(t *testing.T, files map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, name, text)
	}
}

// run is picket with something on its standard input.
func run(stdin string, args string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = cli.Main(strings.Fields(args), strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}

// What a kustomization lacks is said, with the folder.
func TestKustomizationThatCannotBeBuilt(t *testing.T) {
	tree(t, map[string]string{"k/kustomization.yaml": "resources: [missing.yaml]\n"})
	code, stdout, stderr := run("", "matrix -k k")
	if code != 2 || stdout != "" || !strings.Contains(stderr, "picket: --kustomize k: ") ||
		!strings.Contains(stderr, "missing.yaml") {
		t.Errorf("%d, %q, %q", code, stdout, stderr)
	}
}

// Every path counts for every verb, and the last statement of an object.
func TestSeveralPaths(t *testing.T) {
	tree(t, map[string]string{
		"web.yaml": onePod, "pods/lone.yaml": lonePod, "policies/lone.yaml": lonePolicy,
		"open.yaml":                 openPolicy,
		"kustom/web.yaml":           strings.Replace(onePod, "namespace: a, ", "", 1),
		"kustom/kustomization.yaml": "namespace: a\nresources: [web.yaml]\n",
		"all/a/web.yaml":            onePod, "all/b/c/lone.yaml": lonePod, "all/policy.yaml": lonePolicy,
	})
	const open, closed = `{"pods":["a/lone","a/web"],"allowed":[[true,true],[true,true]]}`,
		`{"pods":["a/lone","a/web"],"allowed":[[true,true],[false,true]]}`
	for _, row := range []struct{ paths, stdin, want string }{
		{"-f web.yaml -f pods -f policies", "", closed},
		{"-f policies -f pods -f web.yaml", "", closed},
		{"--manifests web.yaml --manifests=pods -f=policies", "", closed},
		{"-f pods -f policies -f -", onePod, closed},
		{"-f - -f web.yaml", lonePod + "---\n" + lonePolicy, closed},
		{"-f all -R", "", closed},
		{"-k kustom -f pods -f policies", "", closed},
		{"--kustomize kustom -f pods -f -", lonePolicy, closed},
		{"--recursive -f all", "", closed},
		{"-f web.yaml -f pods -f policies -f open.yaml", "", open},
		{"-f web.yaml -f pods -f open.yaml -f policies", "", closed},
	} {
		code, stdout, stderr := run(row.stdin, "matrix --grid -o json "+row.paths)
		if code != 0 || stdout != row.want+"\n" {
			t.Errorf("matrix %s: %d, %swant %s\n%s", row.paths, code, stdout, row.want, stderr)
		}
		_, program, _ := run(row.stdin, "render -o program --node-name n2 "+row.paths)
		_, other, _ := run(row.stdin, "render -o program --node-name n1 "+row.paths)
		if !strings.Contains(program, "10.0.2.2") || strings.Contains(other, "10.0.2.2") {
			t.Errorf("render %s:\n%s", row.paths, program)
		}
	}
	code, _, stderr := run("", "matrix -f web.yaml -f none.yaml")
	if code != 2 || !strings.HasPrefix(stderr,
		"picket: --manifests: read manifests: stat none.yaml: no such file") {
		t.Errorf("%d %s", code, stderr)
	}
}

// What is wrong with manifests is told by every verb alike, one line each, with file, object, field
// and what was expected; what is right and may surprise is a note. With --strict problems, not
// notes, are an error.
func TestProblemsOfTheInput(t *testing.T) {
	const noPod = "; expected objects of kind Pod, or of one that makes pods, such as Deployment\n"
	const madeUp = "note: no pod has an address; those of pods and nodes, and what else is open, " +
		"are made up (nodes: node-1, node-2)\n"
	for _, row := range []struct {
		name, files, want string
		problems          int
	}{
		{"nothing is wrong", onePod + "---\n" + lonePolicy, "", 0},
		{"policies alone", lonePolicy, "warning: x.yaml: no pod that runs (only 1 NetworkPolicy)" +
			noPod, 1},
		{"other kinds alone", "apiVersion: v1\nkind: Secret\n---\napiVersion: v1\nkind: Secret\n",
			"warning: x.yaml: no pod that runs (only 2 objects)" + noPod +
				"note: x.yaml: no NetworkPolicy; without one everything is allowed\n", 1},
		{"nothing", "# nothing\n",
			"warning: x.yaml: states no object; expected Kubernetes objects as YAML or JSON\n", 1},
		{"no policy", onePod, "note: x.yaml: no NetworkPolicy; without one everything is allowed\n",
			0},
		{"a finished pod", strings.Replace(onePod, "podIP", "phase: Failed, podIP", 1) + "---\n" +
			lonePolicy,
			"warning: x.yaml: no pod that runs (only 1 NetworkPolicy, 1 Pod)" + noPod, 1},
		{"a Deployment", shop + "---\n" + lonePolicy,
			"note: 2 pods for 1 workload: Deployment a/shop (two at most for each; more are " +
				"decided alike)\n" + madeUp, 0},
		{"pods as people write them", strings.Replace(onePod,
			"spec: {nodeName: n1}\nstatus: {podIP: 10.0.1.2}\n", "", 1) + "---\n" + lonePolicy,
			madeUp, 0},
		{"a pod without an address among others", onePod + "---\n" + lonePolicy + "---\n" +
			strings.Replace(lonePod, "podIP: 10.0.2.2", "", 1),
			"warning: x.yaml: document 3: Pod a/lone: status.podIPs is empty; expected an " +
				"address; without one the pod is left out\n", 1},
		{"an object twice", onePod + "---\n" + lonePolicy + "---\n" + openPolicy,
			"warning: x.yaml: document 2: NetworkPolicy a/lone: ignored: x.yaml document 3 " +
				"states it later; expected one statement of an object\n", 1},
		{"a part of a policy", onePod + "---\n" + strings.Replace(openPolicy, "[{}]",
			"[{from: [{ipBlock: {cidr: 10.0.0.0/33}}]}]", 1),
			`warning: x.yaml: document 2: NetworkPolicy a/lone: spec.ingress[0].from[0].ipBlock.cidr: Invalid value: "10.0.0.0/33": ` +
				"is not a CIDR; expected an address and a prefix length, such as 10.0.0.0/8 or " +
				"fd00::/8\n", 1},
		{"a field", onePod + "---\n" + strings.Replace(openPolicy, "ingress", "ingres", 1),
			"warning: x.yaml: document 2: NetworkPolicy a/lone: spec.ingres: is no field of the " +
				"API; expected egress, ingress, podSelector or policyTypes" +
				"; until this is mended the policy isolates its pods and allows nothing\n", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			tree(t, map[string]string{"x.yaml": row.files})
			for _, verb := range []string{"matrix", "render --node-name n1"} {
				code, stdout, stderr := run("", verb+" -f x.yaml")
				stderr, _, _ = strings.Cut(stderr, "picket: --node-name")
				if diff := cmp.Diff(row.want, stderr); diff != "" {
					t.Errorf("%s: %s", verb, diff)
				}
				if verb == "matrix" && (code != 0 || stdout == "") {
					t.Errorf("exit code %d, %q", code, stdout)
				}
				code, stdout, stderr = run("", verb+" --strict -f x.yaml")
				failed := code == 1 && stdout == "" &&
					strings.Contains(stderr, "picket: --strict: 1 problem in the manifests\n")
				if failed != (row.problems > 0) || !strings.HasPrefix(stderr, row.want) {
					t.Errorf("%s --strict: exit code %d, %q\n%s", verb, code, stdout, stderr)
				}
			}
		})
	}
}

// Where everything is made up there is room for many pods.
func TestManyPodsWithoutAddresses(t *testing.T) {
	var pods strings.Builder
	for i := range 600 {
		fmt.Fprintf(&pods, "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p%d}\n", i)
	}
	code, stdout, stderr := run(pods.String(), "matrix --grid -f -")
	if code != 0 || !strings.Contains(stderr, "(nodes: node-1, node-2, node-3, node-4)") ||
		strings.Count(stdout, "\n") != 601 {
		t.Errorf("%d %s", code, stderr)
	}
}

// Deployments are decided as the pods that they would make, which have addresses then.
func TestWorkloadsOffline(t *testing.T) {
	tree(t, map[string]string{"x.yaml": shop + "---\n" + lonePolicy +
		"---\napiVersion: v1\nkind: Pod\nmetadata: {namespace: a, name: x}\n"})
	_, stdout, _ := run("", "matrix --grid -f x.yaml -o json")
	want := `{"pods":["a/shop-1","a/shop-2","a/x"],"allowed":[[true,false,true],[false,true,true],[false,false,true]]}`
	if stdout != want+"\n" {
		t.Errorf("%swant %s", stdout, want)
	}
	if _, program,
		_ := run("", "render -f x.yaml -o program --node-name node-1"); !strings.Contains(program,
		"10.244.1.2") {
		t.Error(program)
	}
}

// A workload beside the pods of a cluster gets addresses of the families that they have, whatever
// ranges are known of the nodes.
func TestWorkloadsBesideACluster(t *testing.T) {
	const node = "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nspec: {podCIDRs: [%s]}\n---\n"
	for name, test := range map[string]struct{ nodes, addresses, only string }{
		"IPv4":                       {"", "{ip: 10.9.0.1}", "4"},
		"IPv6":                       {"", "{ip: 'fd09::1'}", "6"},
		"both":                       {"", "{ip: 10.9.0.1}, {ip: 'fd09::1'}", ""},
		"a node without ranges":      {fmt.Sprintf(node, ""), "{ip: 'fd09::1'}", "6"},
		"a node with a range of one": {fmt.Sprintf(node, "10.9.0.0/24"), "{ip: 10.9.0.1}, {ip: 'fd09::1'}", ""},
		"a node with its range":      {fmt.Sprintf(node, "'fd09::/64'"), "{ip: 'fd09::1'}", "6"},
	} {
		tree(t, map[string]string{"new.yaml": shop, "cluster.yaml": test.nodes + "apiVersion: v1\n" +
			"kind: Pod\nmetadata: {namespace: a, name: db}\nspec: {nodeName: n1}\n" +
			"status: {podIPs: [" + test.addresses + "]}\n"})
		for _, family := range []string{"4", "6"} {
			_, stdout, stderr := run("", "matrix --grid -f cluster.yaml -f new.yaml -o json --family "+family)
			want := `{"pods":["a/db","a/shop-1","a/shop-2"],"allowed":[[true,true,true],[true,true,true],[true,true,true]]}`
			if test.only != "" && test.only != family {
				want = strings.ReplaceAll(want, "true", "false")
			}
			if stdout != want+"\n" {
				t.Errorf("%s, IPv%s: %swant %s\n%s", name, family, stdout, want, stderr)
			}
		}
	}
}
