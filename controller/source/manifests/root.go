package manifests

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// source is a path that was asked for, or a folder below it: a folder, or one file.
type source struct {
	rank  int // its place among all that were asked for
	path  string
	only  string    // the file's name; empty for a folder
	stdin io.Reader // read instead of the path
}

// errAbsent says that a name of a folder is no file (any more).
var errAbsent = errors.New("no such file")

// newSource says which of the two a path is; an error if it is not there.
func newSource(rank int, path string) (source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return source{}, fmt.Errorf("read manifests: %w", err)
	}
	if info.IsDir() {
		return source{rank: rank, path: path}, nil
	}
	return source{rank: rank, path: path, only: filepath.Base(path)}, nil
}

// id is the file of a name that counts.
func (s source) id(name string) fileID { return fileID{rank: s.rank, path: s.file(name)} }

// folder is the folder in which the files change.
func (s source) folder() string {
	if s.only == "" {
		return s.path
	}
	return filepath.Dir(s.path)
}

// file is the path of a name that counts.
func (s source) file(name string) string {
	switch {
	case s.stdin != nil:
		return "standard input"
	case s.only == "":
		return filepath.Join(s.path, name)
	default:
		return s.path
	}
}

// counts says whether a name in the folder is one to read.
func (s source) counts(name string) bool {
	if s.only != "" {
		return name == s.only
	}
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, "~") {
		return false
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	default:
		return false
	}
}

// names are the names that count and are there, sorted.
func (s source) names() ([]string, error) {
	switch {
	case s.stdin != nil:
		return []string{Stdin}, nil
	case s.only != "":
		_, err := os.Stat(s.path)
		return []string{s.only}, err
	}
	entries, err := os.ReadDir(s.path)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if s.counts(e.Name()) && !e.IsDir() {
			all = append(all, e.Name())
		}
	}
	return all, nil
}

// read is what a name holds and the file that it was read from. In a folder only
// regular files are opened (a pipe would wait for its writer), and errAbsent says
// that there is none. A file that changes while it is read is read again, a few
// times: with the event of the change it will be once more in any case.
func (s source) read(name string) (data []byte, info fs.FileInfo, err error) {
	if s.stdin != nil {
		data, err = io.ReadAll(s.stdin)
		return data, nil, err
	}
	path := s.file(name)
	if s.only == "" {
		if err := regular(path); err != nil {
			return nil, nil, err
		}
	}
	for range 3 {
		var steady bool
		if data, info, steady, err = readOnce(path); err != nil || steady {
			break
		}
	}
	return data, info, err
}

// regular tells a file that can be read from one that is gone, or a folder with
// the name of a file (both errAbsent), and from a broken link and a device.
func regular(path string) error {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return errAbsent
		}
	}
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return errAbsent
	case !info.Mode().IsRegular():
		return errors.New("not a regular file: expected one")
	default:
		return nil
	}
}

func readOnce(path string) (data []byte, info fs.FileInfo, steady bool, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, false, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, nil, false, err
	}
	if data, err = io.ReadAll(f); err != nil {
		return nil, nil, false, err
	}
	after, err := f.Stat()
	steady = err == nil && sameStat(info, after) || !info.Mode().IsRegular() // a pipe gives all once
	return data, info, steady, err
}

// sameStat compares by inode, size and modification time.
func sameStat(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
