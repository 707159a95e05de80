package manifests

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	networkingv1 "k8s.io/api/networking/v1"
)

const policyYAML = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}}
`

func TestLoad(t *testing.T) {
	for _, tc := range []struct {
		name  string
		files map[string]string
		want  string
		skip  int
	}{
		{name: "empty folder"},
		{name: "all kinds, sorted", files: map[string]string{
			"a.yaml": podsYAML("b", "a") +
				"---\napiVersion: v1\nkind: Node\nmetadata: {name: n1}\n---\n" +
				policyYAML,
			"b.yml":  "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n",
			"c.json": `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"z","namespace":"a"}}`,
		}, want: "ns/shop node/n1 policy/shop/deny pod/a/z pod/default/a@n1 pod/default/b@n1"},
		{name: "names that do not count", files: map[string]string{
			".a.yaml": podsYAML("a"), "b.yaml~": podsYAML("b"), "c.txt": podsYAML("c"),
			"sub/d.yaml":    podsYAML("d"),
			"..2024/e.yaml": podsYAML("e"), "f.YAML": podsYAML("f"), "g.yaml/h.yaml": podsYAML("h"),
		}, want: "pod/default/f@n1"},
		{name: "other kinds are counted", files: map[string]string{
			"a.yaml": "apiVersion: apps/v1\nkind: ControllerRevision\nmetadata: {name: a}\n---\n" +
				podsYAML("a") +
				"---\napiVersion: crd.projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: a}\n" +
				"---\napiVersion: apps/v1\nkind: ControllerRevisionList\nitems: [{}, {}]\n",
		}, want: "pod/default/a@n1", skip: 3},
		{name: "List of anything", files: map[string]string{
			"a.yaml": "apiVersion: v1\nkind: List\nitems:\n" +
				"- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n" +
				"- {apiVersion: v1, kind: Secret, metadata: {name: a}}\n" +
				"- {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Node, metadata: " +
				"{name: n1}}]}\n",
		}, want: "node/n1 pod/default/a", skip: 1},
		{name: "typed lists", files: map[string]string{
			"a.yaml": "apiVersion: v1\nkind: PodList\n" +
				"items: [{metadata: {name: a}}, {apiVersion: v1, kind: Pod, metadata: {name: b}}]\n",
			"b.json": `{"apiVersion":"networking.k8s.io/v1","kind":"NetworkPolicyList",` +
				`"items":[{"metadata":{"name":"p"}}]}`,
			"c.yaml": "apiVersion: v1\nkind: NodeList\nitems: [{metadata: {name: n1}}]\n---\n" +
				"apiVersion: v1\nkind: NamespaceList\nitems: [{metadata: {name: s}}]\n",
			"d.yaml": "apiVersion: v1\nkind: PodList\nitems: []\n---\napiVersion: v1\nkind: PodList\n" +
				"items: null\n",
		}, want: "ns/s node/n1 policy/default/p pod/default/a pod/default/b"},
		{name: "JSON values one after the other, in both kinds of file", files: map[string]string{
			"a.json": `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}` +
				`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"}}`,
			"b.yaml": `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"c"}}` + "\n" +
				`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"d"}}`,
		}, want: "pod/default/a pod/default/b pod/default/c pod/default/d"},
		{name: "byte order mark, CRLF, comments, flow style", files: map[string]string{
			"a.yaml": "\ufeff# head\r\n---\r\n" + strings.ReplaceAll(podsYAML("a", "b"), "\n",
				"\r\n"),
			"b.yaml": "{apiVersion: v1, kind: Pod, metadata: {name: c}}",
			"c.yaml": "# nothing\n---\n---\n# nothing\n", "d.yaml": "", "e.json": " \n",
			"f.yaml": "null",
		}, want: "pod/default/a@n1 pod/default/b@n1 pod/default/c"},
		{name: "unknown fields and fields in another case are ignored", files: map[string]string{
			"a.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: a, new: 1}\nspec: {nodename: n2}\n" +
				"extra: [1]\n",
		}, want: "pod/default/a"},
		{name: "a namespace where none belongs", files: map[string]string{
			"a.yaml": "apiVersion: v1\nkind: Node\nmetadata: {name: a, namespace: x}\n",
		}, want: "node/a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, tc.files)
			got, bad, err := Load(dir)
			if err != nil || len(bad) > 0 {
				t.Fatalf("error %v, problems %v", err, bad)
			}
			if diff := cmp.Diff(tc.want, summary(got)); diff != "" || got.Skipped != tc.skip {
				t.Errorf("skipped %d, want %d; -want +got:\n%s", got.Skipped, tc.skip, diff)
			}
		})
	}
}

func TestLoadProblems(t *testing.T) {
	for _, tc := range []struct {
		name, content string
		want          string // objects
		problems      []string
	}{
		{"a malformed document", podsYAML("a") + "---\nkind: [\n---\n" + podsYAML("b"),
			"pod/default/a@n1 pod/default/b@n1",
			[]string{"f.yaml: document 2: parse YAML: "}},
		{"a string for a number", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n" +
			"spec: {priority: high}\n", "",
			[]string{"f.yaml: document 1: Pod default/a: spec.priority: is the string \"high\"; " +
				"expected a whole number"}},
		{"a number for a string",
			"apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {app: 1}}\n",
			"",
			[]string{"f.yaml: document 1: Pod default/a: metadata.labels[app]: is 1; " +
				"expected a string, in quotes"}},
		{"a port that is neither number nor name",
			strings.Replace(policyYAML, "{podSelector: {}}",
				"{podSelector: {}, ingress: [{ports: [{port: [80]}]}]}", 1), "policy/shop/deny",
			[]string{"f.yaml: document 1: NetworkPolicy shop/deny: spec.ingress[0].ports[0].port: is a " +
				"list; expected a number or a name" + isolatesItsPods}},
		{"no kind", "apiVersion: v1\nmetadata: {name: a}\n", "",
			[]string{`f.yaml: document 1: apiVersion "v1", kind "": expected both`}},
		{"no mapping", "- a\n---\njust text\n", "", []string{
			"f.yaml: document 1: not an object: expected a mapping with apiVersion and kind",
			"f.yaml: document 2: not an object: expected a mapping with apiVersion and kind"}},
		{"a version that is not served", strings.Replace(policyYAML, "networking.k8s.io/v1",
			"extensions/v1beta1", 1), "policy/shop/deny",
			[]string{`f.yaml: document 1: NetworkPolicy shop/deny: apiVersion "extensions/v1beta1" ` +
				"of kind NetworkPolicy: expected networking.k8s.io/v1" + isolatesItsPods}},
		{"the wrong group", strings.Replace(policyYAML, "networking.k8s.io/v1", "v1", 1),
			"policy/shop/deny",
			[]string{`f.yaml: document 1: NetworkPolicy shop/deny: apiVersion "v1" ` +
				"of kind NetworkPolicy: expected networking.k8s.io/v1" + isolatesItsPods}},
		{"no name", "apiVersion: v1\nkind: Pod\nmetadata: {}\n", "",
			[]string{"f.yaml: document 1: Pod: metadata.name is empty: expected a name"}},
		{"names that no API server takes", "apiVersion: v1\nkind: PodList\nitems:\n" +
			"- metadata: {name: a/b}\n- metadata: {name: a, namespace: b.c}\n" +
			"- metadata: {name: \"x\\ny\\e[2J\"}\n", "",
			[]string{
				`f.yaml: document 1: Pod b.c/a: metadata.namespace "b.c": expected a DNS label (RFC 1123)`,
				`f.yaml: document 1: Pod default/a/b: metadata.name "a/b": expected a DNS subdomain (RFC 1123)`,
				`f.yaml: document 1: Pod default/x y [2J: metadata.name "x\ny\x1b[2J": ` +
					"expected a DNS subdomain (RFC 1123)"}},
		{"a namespace with a dot", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a.b}\n", "",
			[]string{`f.yaml: document 1: Namespace a.b: metadata.name "a.b": ` +
				"expected a DNS label (RFC 1123)"}},
		{"bad items spoil only themselves", "apiVersion: v1\nkind: PodList\nitems:\n" +
			"- metadata: {name: a}\n- null\n- {kind: Service}\n- {spec: 5}\n- metadata: {name: b}\n",
			"pod/default/a pod/default/b",
			[]string{"f.yaml: document 1: Pod item 4: spec: is 5; expected a mapping",
				"f.yaml: document 1: item 2: not an object",
				`f.yaml: document 1: item 3: kind "Service" in a PodList: expected Pod`}},
		{"items that are no list", "apiVersion: v1\nkind: PodList\nitems: {}\n", "",
			[]string{"f.yaml: document 1: items: is a mapping; expected a list"}},
		{"lists in lists in lists", strings.Repeat("{apiVersion: v1, kind: List, items: [", 6) +
			strings.Repeat("]}", 6), "",
			[]string{"f.yaml: document 1: item 1: lists inside lists: expected 4 levels at most"}},
		{"UTF-16", "\xff\xfea\x00:\x00", "", []string{"f.yaml: document 1: not UTF-8"}},
		{"an object twice", podYAML("a", "n1") + "---\n" + podYAML("a", "n2"), "pod/default/a@n2",
			[]string{"f.yaml: document 1: Pod default/a: ignored: f.yaml document 2 states it later; " +
				"expected one statement of an object"}},
		{"an object twice in a list", "apiVersion: v1\nkind: PodList\nitems:\n" +
			"- {metadata: {name: a}}\n- {metadata: {name: a}, spec: {nodeName: n2}}\n", "pod/default/a@n2",
			[]string{"f.yaml: document 1: Pod default/a: ignored: f.yaml document 1 states it later; " +
				"expected one statement of an object"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, map[string]string{"f.yaml": tc.content})
			got, bad, err := Load(dir)
			must(t, err)
			if summary(got) != tc.want {
				t.Errorf("objects %q, want %q", summary(got), tc.want)
			}
			lines := strings.Split(problems(dir, bad), "\n")
			if len(lines) != len(tc.problems) {
				t.Fatalf("problems:\n%s\nwant %d", strings.Join(lines, "\n"), len(tc.problems))
			}
			for i, line := range lines {
				if !strings.HasPrefix(line, tc.problems[i]) {
					t.Errorf("problem %q, want %q…", line, tc.problems[i])
				}
			}
		})
	}
}

func TestLoadBrokenJSON(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"a.json": `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}} {"kind":`,
	})
	got, bad, err := Load(dir)
	must(t, err)
	want := "a.json: document 2: parse JSON: unexpected end of JSON input"
	if summary(got) != "pod/default/a" || problems(dir, bad) != want {
		t.Errorf("%s\n%s", summary(got), problems(dir, bad))
	}
}

func TestLoadDuplicatesAcrossFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"b.yaml": podYAML("a", "n2"), "a.yaml": podYAML("a", "n1"),
		"c.yaml": podYAML("a", "n3")})
	got, bad, err := Load(dir)
	must(t, err)
	want := "a.yaml: document 1: Pod default/a: ignored: c.yaml document 1 states it later; " +
		"expected one statement of an object\n" +
		"b.yaml: document 1: Pod default/a: ignored: c.yaml document 1 states it later; " +
		"expected one statement of an object"
	if diff := cmp.Diff(want, problems(dir, bad)); diff != "" ||
		summary(got) != "pod/default/a@n3" {
		t.Errorf("%s; -want +got:\n%s", summary(got), diff)
	}
}

func TestLoadLeavesObjectsAsTheyAre(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"f.yaml": strings.Replace(policyYAML, "{podSelector: {}}",
		"{podSelector: {}, ingress: [{ports: [{port: web}]}]}", 1)})
	got, _, err := Load(dir)
	must(t, err)
	p := got.Policies[0]
	if p.Spec.PolicyTypes != nil || p.Spec.Ingress[0].Ports[0].Protocol != nil || p.UID != "" {
		t.Errorf("defaulted: %+v", p)
	}
	if p.Kind != "NetworkPolicy" || p.APIVersion != networkingv1.SchemeGroupVersion.String() {
		t.Errorf("type %+v", p.TypeMeta)
	}
}

func TestLoadOnePath(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"objects": podsYAML("a", "b"), ".hidden~": podsYAML("c")})
	for name, want := range map[string]string{"objects": "pod/default/a@n1 pod/default/b@n1",
		".hidden~": "pod/default/c@n1"} {
		got, bad, err := Load(filepath.Join(dir, name))
		if err != nil || len(bad) > 0 || summary(got) != want {
			t.Errorf("%s: %s %v %v", name, summary(got), bad, err)
		}
	}
	if _, _, err := Load(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestLoadWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Symlink("nowhere", filepath.Join(dir, "a.yaml")))
	must(t, syscall.Mkfifo(filepath.Join(dir, "b.yaml"), 0o600))
	must(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	must(t, os.Symlink("sub", filepath.Join(dir, "c.yaml")))
	write(t, dir, map[string]string{"d.yaml": podsYAML("d")})
	got, bad, err := Load(dir)
	must(t, err)
	want := "a.yaml: stat a.yaml: no such file or directory\nb.yaml: not a regular file: expected one"
	if diff := cmp.Diff(want, problems(dir, bad)); diff != "" ||
		summary(got) != "pod/default/d@n1" {
		t.Errorf("%s; -want +got:\n%s", summary(got), diff)
	}
}
