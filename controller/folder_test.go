package controller

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/picket-project/picket/controller/source/folder"
)

// One pod more among 10,000 costs one transaction with that pod's elements and nothing else.
func TestOnePodMoreAmongTenThousand(t *testing.T) {
	dir := t.TempDir()
	var b strings.Builder
	for i := range 10000 {
		b.WriteString(podManifest(fmt.Sprintf("pod-%d", i), fmt.Sprintf("n%d", 1+i%100),
			fmt.Sprintf("10.%d.%d.%d", 1+i/62500, i/250%250, 1+i%250)))
	}
	write(t, dir, "pods.yaml", b.String())
	write(t, dir, "policy.yaml", allowWeb)
	k := &kernel{}
	c := start(t, Config{Source: folder.Source{Paths: []string{dir}}, Firewall: k})
	for deadline := time.Now().Add(time.Minute); !c.Health.Readiness().Ready; time.Sleep(
		time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not ready: %+v", c.Health.Readiness())
		}
	}
	before := len(k.transactions())
	write(t, dir, "one-more.yaml", podManifest("new", "n7", "10.99.0.1"))
	eventually(t, "the pod is a peer", func() bool {
		return strings.Contains(k.program(), "10.99.0.1")
	})
	after := k.transactions()
	if len(after) != before+1 {
		t.Fatalf("%d transactions for one pod", len(after)-before)
	}
	last := after[before]
	if text := last.String(); strings.Count(text, "\n") != 1 ||
		!strings.HasSuffix(text, " 10.99.0.1\n") {
		t.Errorf("delta for one pod:\n%s", text)
	}
}

func podManifest(name, node, addr string) string {
	return fmt.Sprintf("---\napiVersion: v1\nkind: Pod\nmetadata: {name: %s, labels: {app: "+
		"web}}\nspec: {nodeName: %s}\nstatus: {podIP: %s, phase: Running}\n", name, node, addr)
}

// write replaces a file atomically.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	temporary := filepath.Join(dir, "."+name)
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(temporary, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
}
