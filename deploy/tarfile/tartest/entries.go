// Package tartest reads tars for tests.
package tartest

import (
	"archive/tar"
	"errors"
	"io"
	"testing"
)

// Entries hands each file of a tar, with its content, to do.
func Entries(t testing.TB, archive io.Reader, do func(*tar.Header, []byte)) {
	t.Helper()
	reader := tar.NewReader(archive)
	for {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		do(header, content)
	}
}
