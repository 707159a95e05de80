package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/picket-project/picket/deploy/tarfile/tartest"
)

// list describes the files of a tar, a line each.
func list(t *testing.T, archive io.Reader) []string {
	t.Helper()
	var lines []string
	tartest.Entries(t, archive, func(h *tar.Header, content []byte) {
		name := h.Name
		if h.Linkname != "" {
			name += "→" + h.Linkname
		}
		lines = append(lines, fmt.Sprintf("%s %s %d:%d at %d: %q", name, h.FileInfo().Mode(),
			h.Uid, h.Gid, h.ModTime.Unix(), content))
	})
	return lines
}

// unpack writes the files of a tar into a new folder.
func unpack(t *testing.T, archive string) string {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	dir := t.TempDir()
	tartest.Entries(t, file, func(h *tar.Header, content []byte) {
		path := filepath.Join(dir, h.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, content,
			0o600)); err != nil {
			t.Fatal(err)
		}
	})
	return dir
}
