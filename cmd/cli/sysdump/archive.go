package sysdump

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"sigs.k8s.io/yaml"
)

// Archive is the file that is being made.
type Archive struct {
	folder  string
	now     time.Time
	mu      sync.Mutex // guards the fields below: answers come at the same time
	tar     *tar.Writer
	zip     *gzip.Writer
	Names   []string // of what is in it
	Missing []string // what could not be had, and why; sorted at the end
	err     error    // of the output: after it nothing is written
}

// New begins an archive, in which everything is in one folder.
func New(out io.Writer, folder string, now time.Time) *Archive {
	zip := gzip.NewWriter(out)
	return &Archive{tar: tar.NewWriter(zip), zip: zip, folder: folder, now: now}
}

// Text adds a file, or notes why there is none.
func (a *Archive) Text(name string, text []byte, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		a.Missing = append(a.Missing, fmt.Sprintf("%s: %v", name, err))
	}
	// An answer that broke off is better than none.
	if a.err != nil || err != nil && len(text) == 0 {
		return
	}
	a.err = a.tar.WriteHeader(&tar.Header{Name: path.Join(a.folder, name), Mode: 0o644,
		Size: int64(len(text)), ModTime: a.now, Typeflag: tar.TypeReg})
	if a.err == nil {
		_, a.err = a.tar.Write(text)
	}
	a.Names = append(a.Names, name)
}

// JSON adds a value as a file.
func (a *Archive) JSON(name string, value any, err error) {
	if err != nil {
		a.Text(name, nil, err)
		return
	}
	text, err := json.MarshalIndent(value, "", "  ")
	a.Text(name, append(text, '\n'), err)
}

// YAML adds a list of objects as manifests.
func (a *Archive) YAML(name string, objects []any, err error) {
	var b bytes.Buffer
	for _, o := range objects {
		// One object that cannot be written leaves the others.
		text, failed := yaml.Marshal(o)
		if failed != nil {
			err = failed
			continue
		}
		b.WriteString("---\n")
		b.Write(text)
	}
	a.Text(name, b.Bytes(), err)
}

// Close adds what is missing, and ends the archive.
func (a *Archive) Close() error {
	slices.Sort(a.Missing) // agents answer in any order
	text := "Everything that was asked for is here.\n"
	if len(a.Missing) > 0 {
		text = strings.Join(a.Missing, "\n") + "\n"
	}
	a.Text("missing.txt", []byte(text), nil)
	// The archive ends before what packs it.
	for _, end := range []io.Closer{a.tar, a.zip} {
		if err := end.Close(); a.err == nil {
			a.err = err
		}
	}
	return a.err
}
