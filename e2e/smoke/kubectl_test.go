package smoke

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// kubectl runs kubectl and returns what it prints.
func kubectl(args ...string) (string, error) {
	var out, complaint bytes.Buffer
	cmd := exec.Command("kubectl", args...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err,
			complaint.String())
	}
	return out.String(), nil
}

// must is kubectl where an error ends the test.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := kubectl(args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// get reads objects into a value.
func get(t *testing.T, into any, args ...string) {
	t.Helper()
	if err := json.Unmarshal([]byte(must(t, append([]string{"get", "-o", "json"}, args...)...)),
		into); err != nil {
		t.Fatal(err)
	}
}

// create makes objects of a manifest that is made here.
func create(t *testing.T, verb, manifest string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "manifest.yaml")
	if err := os.WriteFile(file, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	must(t, verb, "-f", file)
}

// onNode runs a program on a node.
func onNode(node string, args ...string) (string, error) {
	out, err := exec.Command("cluster", append([]string{"exec", node}, args...)...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s on %s: %w: %s", strings.Join(args, " "), node, err, out)
	}
	return string(out), nil
}

// nodes are the names of all nodes.
func nodes(t *testing.T) []string {
	t.Helper()
	return strings.Fields(must(t, "get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"))
}

// eventually asks until it gets no error.
func eventually(t *testing.T, within time.Duration, ask func() error) {
	t.Helper()
	deadline := time.Now().Add(within)
	for {
		err := ask()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %v", within, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// shipped is a file of deploy, or of the release that is installed.
func shipped(t *testing.T, file string) string {
	t.Helper()
	dir := os.Getenv("PICKET_ROOT")
	if dir == "" {
		t.Fatal("PICKET_ROOT is missing; expected the folder of the project, run: make e2e")
	}
	if release := os.Getenv("RELEASE"); release != "" {
		return filepath.Join(release, file)
	}
	return filepath.Join(dir, "deploy", file)
}
