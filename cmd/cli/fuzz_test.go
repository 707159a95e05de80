package cli_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// FuzzWholePath: whatever bytes a manifest beside testdata/wrong/good.yaml holds, nothing panics,
// the kernel takes the program, strict or not, and holds it then, nobody is allowed what the oracle
// denies, and a policy that plainly selects all of namespace bad isolates it, whatever else is
// wrong with it.
func FuzzWholePath(f *testing.F) {
	for _, row := range wrongs(f) {
		if len(row.content) < 1<<13 {
			f.Add([]byte(row.content))
		}
	}
	folder := goodFolder(f)
	seen := readWorld(f, folder).programs[0] // what the kernel holds between two inputs
	b := freshKernel(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(filepath.Join(folder, "wrong.yaml"), data, 0o644); err != nil {
			t.Fatal(err)
		}
		w := readWorld(t, folder)
		if at := slices.IndexFunc([]rune(w.problems),
			func(r rune) bool { return unicode.IsControl(r) && r != '\n' }); at >= 0 {
			t.Errorf("a problem holds control characters: %q", w.problems)
		}
		w.noWider(t, []string{"bad/web", "bad/db", "good/a"})
		// by a later document
		replaced := strings.Contains(w.problems, "NetworkPolicy bad/p: ignored")
		if selectsAllOfBad(data) && !replaced && w.frees("bad/web",
			netip.MustParseAddr("10.244.1.3")) {
			t.Errorf("bad/web is free")
		}
		if w.programs[0].String() == seen.String() {
			return
		}
		snapshot := compile.SnapshotOf(policy.Objects(*w.World), "n1")
		snapshot.Strict = true
		strict, _ := compile.Compile(snapshot)
		for _, program := range []*ruleset.Program{w.programs[0], strict, seen} {
			if err := install(t.Context(), b, program); err != nil {
				t.Fatalf("%v\n%s", err, program)
			}
		}
	})
}

// selectsAllOfBad reads a file as loosely as can be: its first document is a policy of namespace
// bad that names no pods.
func selectsAllOfBad(data []byte) bool {
	var o map[string]any
	if yaml.Unmarshal(data, &o) != nil || o["kind"] != "NetworkPolicy" ||
		o["apiVersion"] != "networking.k8s.io/v1" {
		return false
	}
	meta, _ := o["metadata"].(map[string]any)
	spec, _ := o["spec"].(map[string]any)
	selector, _ := spec["podSelector"].(map[string]any)
	return meta["namespace"] == "bad" && meta["name"] == "p" && len(selector) == 0
}

// frees reports whether a pod that has this address still is in no direction isolated at its node
// n1.
func (w world) frees(id string, addr netip.Addr) bool {
	pod := w.PodAt(addr)
	dispatched := func(d ruleset.Dispatch) bool { return d.Addr == addr }
	return pod != nil && pod.Namespace+"/"+pod.Name == id &&
		!slices.ContainsFunc(w.programs[0].Dispatch, dispatched)
}
