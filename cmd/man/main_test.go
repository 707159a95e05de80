package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// There is a page of each verb, with the version and the date that it was given.
func TestPages(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	if err := write(dir, "v1.2.3", time.Unix(1_700_000_000, 0).UTC()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"picket", "picket-agent", "picket-why", "picket-sandbox-run"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		if head, _, _ := strings.Cut(string(text), ".SH"); !strings.Contains(head,
			`"Nov 2023" "Picket v1.2.3" "Picket"`) {
			t.Errorf("%s.1 begins with %q", name, head)
		}
	}
}
