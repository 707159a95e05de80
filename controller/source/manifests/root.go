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

// root is a path that was asked for, or a folder below one. It is a folder or one file.
type root struct {
	rank int // its place among all paths that were asked for
	path string
	file string    // the file's name; empty for a folder
	text io.Reader // read in place of a file, if not nil; then path is only its name
}

// errAbsent says that a name in a folder is not a file, or not any more.
var errAbsent = errors.New("no such file")

// newRoot finds out whether a path is a folder or a file. The error says that it is not there.
func newRoot(rank int, path string) (root, error) {
	info, err := os.Stat(path)
	if err != nil {
		return root{}, fmt.Errorf("read manifests: %w", err)
	}
	if info.IsDir() {
		return root{rank: rank, path: path}, nil
	}
	return root{rank: rank, path: path, file: filepath.Base(path)}, nil
}

// id returns what identifies the file with a name.
func (r root) id(name string) fileID { return fileID{rank: r.rank, path: r.pathOf(name)} }

// folder returns the folder in which the files change.
func (r root) folder() string {
	if r.file == "" {
		return r.path
	}
	return filepath.Dir(r.path)
}

// pathOf returns the path of the file with a name, as problems show it.
func (r root) pathOf(name string) string {
	if r.file == "" {
		return filepath.Join(r.path, name)
	}
	return r.path
}

// includes reports whether a name in the folder is to be read.
func (r root) includes(name string) bool {
	if r.file != "" {
		return name == r.file
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

// names returns the names that are to be read and are there, sorted.
func (r root) names() ([]string, error) {
	switch {
	case r.text != nil:
		return []string{r.file}, nil
	case r.file != "":
		_, err := os.Stat(r.path)
		return []string{r.file}, err
	}
	entries, err := os.ReadDir(r.path)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, e := range entries {
		if r.includes(e.Name()) && !e.IsDir() {
			all = append(all, e.Name())
		}
	}
	return all, nil
}

// read returns the content of a file and what Stat said of it. In a folder only regular files are
// opened (a pipe would wait for its writer), and errAbsent says that there is none. A file that
// changes while it is read is read again, a few times: the event of the change will have it read
// once more in any case.
func (r root) read(name string) (data []byte, info fs.FileInfo, err error) {
	if r.text != nil {
		data, err = io.ReadAll(r.text)
		return data, nil, err
	}
	path := r.pathOf(name)
	if r.file == "" {
		if err := checkRegular(path); err != nil {
			return nil, nil, err
		}
	}
	for range 3 {
		var unchanged bool
		if data, info, unchanged, err = readOnce(path); err != nil || unchanged {
			break
		}
	}
	return data, info, err
}

// checkRegular returns nil for a file that can be read, errAbsent for one that is gone or is a
// folder, and another error for a broken link or a device.
func checkRegular(path string) error {
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

// readOnce also reports whether the file stayed unchanged meanwhile. A pipe always does: it can be
// read only once.
func readOnce(path string) (data []byte, info fs.FileInfo, unchanged bool, err error) {
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
	unchanged = err == nil && sameStat(info, after) || !info.Mode().IsRegular()
	return data, info, unchanged, err
}

// sameStat compares by inode, size and modification time.
func sameStat(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}
