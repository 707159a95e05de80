package manifests

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every path is read, in the order in which they are given: the last statement of an object counts.
func TestLoadSeveralPaths(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"one/a.yaml": podYAML("p", "n1"), "one/b.yaml": podsYAML("q"),
		"one/sub/c.yaml": podsYAML("below"),
		"two/a.yaml":     podYAML("p", "n2"), "three.txt": podsYAML("r"),
		"one/.git/d.yaml":     podsYAML("hidden"),
		"one/sub/deep/e.json": `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"deep"}}`,
		"one/sub-x.yaml":      podYAML("x", "n1"), "one/sub/x.yaml": podYAML("x", "n0"),
	})
	const ignored = ": document 1: Pod default/p: ignored: "
	for _, row := range []struct {
		name, paths, stdin, want string
		recursive                bool
		problems                 string
	}{
		{"two folders", "one two", "", "pod/default/p@n2 pod/default/q@n1 pod/default/x@n1", false,
			"one/a.yaml" + ignored + "two/a.yaml document 1 states it later; " +
				"expected one statement of an object"},
		{"the other way round", "two one", "", "pod/default/p@n1 pod/default/q@n1 pod/default/x@n1",
			false,
			"two/a.yaml" + ignored + "one/a.yaml document 1 states it later; " +
				"expected one statement of an object"},
		{"files, of any name", "one/b.yaml three.txt", "", "pod/default/q@n1 pod/default/r@n1",
			false,
			""},
		{"a file of a folder too, once", "one one/a.yaml", "",
			"pod/default/p@n1 pod/default/q@n1 pod/default/x@n1", false, ""},
		{"standard input last", "two -", podYAML("p", "n9"), "pod/default/p@n9", false,
			"two/a.yaml" + ignored + "standard input document 1 states it later; " +
				"expected one statement of an object"},
		{"standard input first, in JSON", "- two",
			`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"}}`, "pod/default/p@n2", false,
			"standard input" + ignored + "two/a.yaml document 1 states it later; " +
				"expected one statement of an object"},
		{"with the folders below, in the order of a walk", "one", "",
			"pod/default/below@n1 pod/default/deep pod/default/p@n1 pod/default/q@n1 pod/default/x@n1", true,
			"one/sub/x.yaml: document 1: Pod default/x: ignored: one/sub-x.yaml document 1 states it " +
				"later; expected one statement of an object"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Chdir(dir)
			in := Input{Paths: strings.Fields(row.paths), Recursive: row.recursive,
				Stdin: strings.NewReader(row.stdin)}
			got, bad, err := in.Load()
			must(t, err)
			if diff := cmp.Diff(row.want, summary(got)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(row.problems, problems("-", bad)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLoadRefusesPaths(t *testing.T) {
	dir := t.TempDir()
	for _, row := range []struct {
		in   Input
		want string
	}{
		{Input{Paths: []string{dir, dir + "/none"}}, "none: no such file or directory"},
		{Input{Paths: []string{"-"}}, "can be read once only"},
		{Input{Paths: []string{"-", "-"}, Stdin: strings.NewReader("")}, "can be read once only"},
		{Input{Paths: []string{"-"}, Stdin: failing{}}, "it fails"},
	} {
		if _, _, err := row.in.Load(); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%v: %v, want %s", row.in.Paths, err, row.want)
		}
	}
}

// failing is a reader that reads nothing.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("it fails") }

// A pipe is read once: what it gave is not lost by looking whether it changed.
func TestLoadPipe(t *testing.T) {
	r, w, err := os.Pipe()
	must(t, err)
	defer r.Close()
	go func() { _, _ = w.WriteString(podsYAML("a", "b")); _ = w.Close() }()
	got, bad, err := Load(fmt.Sprintf("/proc/self/fd/%d", r.Fd()))
	if err != nil || len(bad) > 0 || summary(got) != "pod/default/a@n1 pod/default/b@n1" {
		t.Errorf("%s %v %v", summary(got), bad, err)
	}
}

// Files and folders that hold nothing are listed.
func TestLoadSaysWhatIsEmpty(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"none/readme.txt": "x", "above/base/a.yaml": podsYAML("a"), "some/a.yaml": podsYAML("b"),
		"some/comments.yaml": "# nothing\n---\n", "some/empty.json": "", "some/null.yaml": "null\n",
		"some/other.yaml": "apiVersion: v1\nkind: Service\n", "some/broken.yaml": "a: [",
	})
	t.Chdir(dir)
	const holds, states = "holds no manifests; expected files named *.yaml, *.yml or *.json",
		"states no object; expected Kubernetes objects as YAML or JSON"
	for paths, want := range map[string]string{
		"some": "some/comments.yaml: " + states + "\nsome/empty.json: " + states +
			"\nsome/null.yaml: " + states,
		"none":  "none: " + holds,
		"above": "above: " + holds + "; those in its folders are read with -R",
		"-":     "standard input: " + states,
	} {
		got, _, err := Input{Paths: strings.Fields(paths), Stdin: strings.NewReader("")}.Load()
		if err != nil || problems("-", got.Empty) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", paths, err, problems("-", got.Empty), want)
		}
	}
}
