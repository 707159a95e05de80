// Package tarfile writes tars that are the same each time: all that is in them is root's, and has
// one time.
package tarfile

import (
	"archive/tar"
	"io"
	"os"
	"time"
)

// Writer writes a tar. Close ends it.
type Writer struct {
	to *tar.Writer
	at time.Time // of all that it holds
}

// New begins a tar whose files all have one time.
func New(out io.Writer, at time.Time) Writer { return Writer{tar.NewWriter(out), at} }

// Close writes the end of the tar, without which it is no whole one.
func (w Writer) Close() error { return w.to.Close() }

// Folder adds a folder that all may read.
func (w Writer) Folder(name string) error {
	return w.head(tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755})
}

// Link adds a symbolic link.
func (w Writer) Link(name, target string) error {
	return w.head(tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o755})
}

// File adds a file with the content of the one at a path.
func (w Writer) File(name string, mode int64, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if err := w.head(tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode,
		Size: info.Size()}); err != nil {
		return err
	}
	_, err = io.Copy(w.to, file)
	return err
}

// head writes what is said of a file, in the form that knows no more than that.
func (w Writer) head(header tar.Header) error {
	header.ModTime, header.Format = w.at, tar.FormatUSTAR
	return w.to.WriteHeader(&header)
}
