package manifests

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// write makes files of name → content.
func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, content := range files {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(content), 0o644))
	}
}

// swap writes a file aside and renames it into its place.
func swap(t testing.TB, dir, name, content string) {
	t.Helper()
	aside := filepath.Join(dir, ".new-"+name)
	must(t, os.WriteFile(aside, []byte(content), 0o644))
	must(t, os.Rename(aside, filepath.Join(dir, name)))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func podYAML(name, node string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec: {nodeName: %s}\n",
		name, node)
}

func podsYAML(names ...string) string {
	var docs []string
	for _, n := range names {
		docs = append(docs, podYAML(n, "n1"))
	}
	return strings.Join(docs, "---\n")
}

// summary is what Objects hold, one word an object, pods with their node.
func summary(all Objects) string {
	var words []string
	for _, o := range all.Namespaces {
		words = append(words, "ns/"+o.Name)
	}
	for _, o := range all.Nodes {
		words = append(words, "node/"+o.Name)
	}
	for _, o := range all.Policies {
		words = append(words, "policy/"+o.Namespace+"/"+o.Name)
	}
	for _, o := range all.Pods {
		word := "pod/" + o.Namespace + "/" + o.Name
		if o.Spec.NodeName != "" {
			word += "@" + o.Spec.NodeName
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// view is what a receiver of Updates knows.
type view struct {
	objects map[Key]Change
	last    Update
	updates int
}

func (v *view) apply(u Update) {
	if v.objects == nil {
		v.objects = map[Key]Change{}
	}
	v.last = u
	v.updates++
	for _, c := range u.Changes {
		v.objects[c.Key] = c
		if c.Gone() {
			delete(v.objects, c.Key)
		}
	}
}

func (v *view) summary() string {
	all := slices.SortedFunc(maps.Values(v.objects), compareChanges)
	return summary(newObjects(Update{Changes: all}))
}

// problems are the problems' lines, without the folder's path.
func problems(dir string, all []Problem) string {
	var lines []string
	for _, p := range all {
		lines = append(lines, strings.ReplaceAll(p.Error(), dir+"/", ""))
	}
	return strings.Join(lines, "\n")
}
