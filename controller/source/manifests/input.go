package manifests

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
)

// Stdin is the path that stands for the standard input.
const Stdin = "-"

// Input is what to read: files and folders, in the order in which they count, then texts.
type Input struct {
	Paths     []string
	Recursive bool      // read the folders below each folder too
	Stdin     io.Reader // what the path "-" reads; nil: there is none
	Texts     []Text
	Namespace string // of objects that state none; empty: the default one
}

// Text is a manifest that was made and is in no file.
type Text struct {
	Name string // as problems show it
	YAML []byte
}

// fileID is a file and its place in the order: of two files that state one object the later counts.
type fileID struct {
	rank int // of the path that was asked for
	path string
}

// compare orders files as kubectl applies them: by the path that was asked for, then as a walk
// through the folders comes to them.
func (f fileID) compare(o fileID) int {
	walk := func(path string) string { return strings.ReplaceAll(path, "/", "\x00") }
	return cmp.Or(cmp.Compare(f.rank, o.rank), cmp.Compare(walk(f.path), walk(o.path)))
}

// roots returns the files and folders to read, with the folders below them if Recursive is set.
func (in Input) roots() ([]root, error) {
	var all []root
	stdin := false
	for rank, path := range in.Paths {
		if path == Stdin {
			if in.Stdin == nil || stdin {
				return nil, errors.New(`path "-": the standard input can be read once only`)
			}
			stdin = true
			all = append(all, root{rank: rank, path: "standard input", file: Stdin, text: in.Stdin})
			continue
		}
		r, err := newRoot(rank, path)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
		if in.Recursive && r.file == "" {
			below, err := r.subfolders()
			if err != nil {
				return nil, fmt.Errorf("read manifests: %w", err)
			}
			all = append(all, below...)
		}
	}
	for i, t := range in.Texts {
		all = append(all, root{rank: len(in.Paths) + i, path: t.Name, file: t.Name,
			text: bytes.NewReader(t.YAML)})
	}
	return all, nil
}

// subfolders returns the folders in a folder, at any depth. Those whose name starts with "." are
// left out, and links to folders are not followed.
func (r root) subfolders() ([]root, error) {
	var all []root
	err := filepath.WalkDir(r.path, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || path == r.path || !e.IsDir():
			return err
		case strings.HasPrefix(e.Name(), "."):
			return filepath.SkipDir
		default:
			all = append(all, root{rank: r.rank, path: path})
			return nil
		}
	})
	return all, err
}
