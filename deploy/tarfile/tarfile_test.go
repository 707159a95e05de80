package tarfile

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/deploy/tarfile/tartest"
)

// All that a tar holds is root's and of one time, whoever has made it and when.
func TestTar(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	w := New(&text, time.Unix(1_700_000_000, 0))
	if err := errors.Join(w.Folder("bin"), w.File("bin/f", 0o755, path), w.Link("bin/l", "f"),
		w.Close()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"bin/  drwxr-xr-x 0:0 1700000000 \"\"",
		"bin/f  -rwxr-xr-x 0:0 1700000000 \"content\"",
		"bin/l f Lrwxr-xr-x 0:0 1700000000 \"\"",
	}
	var got []string
	tartest.Entries(t, &text, func(h *tar.Header, content []byte) {
		got = append(got, fmt.Sprintf("%s %s %s %d:%d %d %q", h.Name, h.Linkname,
			h.FileInfo().Mode(), h.Uid, h.Gid, h.ModTime.Unix(), content))
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A file that is not there is an error, not an empty one.
func TestNoFile(t *testing.T) {
	if err := New(io.Discard, time.Time{}).File("f", 0o644, "/nowhere/f"); err == nil {
		t.Error("no error")
	}
}
