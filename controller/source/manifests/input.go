package manifests

import (
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

// Input is what to read: files and folders, in the order in which they count.
type Input struct {
	Paths     []string
	Recursive bool      // folders with those below them
	Stdin     io.Reader // what the path "-" reads; nil: there is none
}

// fileID is a file and its place in the order: of two files that state one object the later counts.
type fileID struct {
	rank int // of the path that was asked for
	path string
}

// compare orders files as kubectl applies them: by what was asked for, then as a walk through the
// folders meets them.
func (f fileID) compare(o fileID) int {
	walk := func(path string) string { return strings.ReplaceAll(path, "/", "\x00") }
	return cmp.Or(cmp.Compare(f.rank, o.rank), cmp.Compare(walk(f.path), walk(o.path)))
}

// sources are the files and folders to read, with the folders below them where that was asked for.
func (in Input) sources() ([]source, error) {
	var all []source
	stdin := false
	for rank, path := range in.Paths {
		if path == Stdin {
			if in.Stdin == nil || stdin {
				return nil, errors.New(`path "-": the standard input can be read once only`)
			}
			stdin = true
			all = append(all, source{rank: rank, path: Stdin, only: Stdin, stdin: in.Stdin})
			continue
		}
		s, err := newSource(rank, path)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
		if in.Recursive && s.only == "" {
			below, err := s.below()
			if err != nil {
				return nil, fmt.Errorf("read manifests: %w", err)
			}
			all = append(all, below...)
		}
	}
	return all, nil
}

// below are the folders in a folder, at any depth. Those whose name starts with "." do not count,
// and links to folders are not followed.
func (s source) below() ([]source, error) {
	var all []source
	err := filepath.WalkDir(s.path, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil || path == s.path || !e.IsDir():
			return err
		case strings.HasPrefix(e.Name(), "."):
			return filepath.SkipDir
		default:
			all = append(all, source{rank: s.rank, path: path})
			return nil
		}
	})
	return all, err
}
