package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestContainerfileCopiesEnough resolves the program's packages in a folder that holds only what is
// copied.
func TestContainerfileCopiesEnough(t *testing.T) {
	dir := t.TempDir()
	for _, line := range regexp.MustCompile(`(?m)^COPY (\w.*) (\S+)$`).FindAllStringSubmatch(
		string(read(t, "Containerfile")), -1) {
		for _, name := range strings.Fields(line[1]) {
			copyTo(t, filepath.Join(dir, line[2]), name)
		}
	}
	cmd := exec.Command("go", "list", "-deps", "./cmd/agent")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
}

// copyTo does what COPY does with one source: the content of a folder, or a file into a folder.
func copyTo(t *testing.T, to, name string) {
	t.Helper()
	from := filepath.Join("..", name)
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if info.IsDir() {
		err = os.CopyFS(to, os.DirFS(from))
	} else {
		err = os.WriteFile(filepath.Join(to, name), read(t, from), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
