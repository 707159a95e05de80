package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The tests of this module look at Picket from outside. All that they may import of the product is
// made for tests: nodes and pods as network namespaces, clusters to measure with, and how fast the
// machine is, which bring nothing else of the product along.
func TestTheProductIsABlackBox(t *testing.T) {
	const product = "github.com/picket-project/picket/"
	allowed := []string{"cmd/sandbox", "controller/samplecluster", "ruleset/pace"}
	const format = `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}{{range .TestImports}} {{.}}{{end}}` +
		`{{range .XTestImports}} {{.}}{{end}}`
	cmd := exec.Command("go", "list", "-f", format, "./...")
	cmd.Dir = ".."
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		for _, path := range words[1:] {
			room, own := strings.CutPrefix(path, product)
			if own && !strings.HasPrefix(room, "e2e/") && !slices.Contains(allowed, room) {
				t.Errorf("%s imports %s", words[0], path)
			}
		}
	}
}
