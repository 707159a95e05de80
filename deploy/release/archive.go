package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/picket-project/picket/deploy/tarfile"
)

// platform is what a folder of programs was built for.
type platform struct{ os, arch, folder string }

func newPlatform(folder string) platform {
	system, arch, _ := strings.Cut(filepath.Base(folder), "_")
	return platform{system, arch, folder}
}

func (p platform) String() string { return p.os + "_" + p.arch }

// program is the name of the command line's file.
func (p platform) program() string {
	if p.os == "windows" {
		return "picket.exe"
	}
	return "picket"
}

// archive is the name of the archive with the command line.
func (p platform) archive(version string) string {
	kind := "tar.gz"
	if p.os == "windows" {
		kind = "zip"
	}
	return fmt.Sprintf("picket_%s_%s.%s", version, p, kind)
}

// member is a file of an archive.
type member struct {
	name string
	mode int64
	path string // of its content
}

// members are the files of an archive: the program, the license and, where people have man, the
// pages. As kubectl-picket the program is a plugin of kubectl; krew gives it that name.
func (r release) members(p platform) ([]member, error) {
	all := []member{{p.program(), 0o755, filepath.Join(p.folder, p.program())},
		{"LICENSE", 0o644, filepath.Join(r.root, "LICENSE")}}
	if p.os == "windows" {
		return all, nil
	}
	pages, err := filepath.Glob(filepath.Join(r.man, "*.1"))
	if err == nil && len(pages) == 0 {
		err = fmt.Errorf("-man %s holds no man page", r.man)
	}
	for _, page := range pages {
		all = append(all, member{"man/man1/" + filepath.Base(page), 0o644, page})
	}
	return all, err
}

// writeArchive makes the archive of a platform.
func (r release) writeArchive(p platform) error {
	files, err := r.members(p)
	if err != nil {
		return err
	}
	write := writeTar
	if p.os == "windows" {
		write = writeZip
	}
	var text bytes.Buffer
	if err := write(&text, files, r.created); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, p.archive(r.version)), text.Bytes(), 0o644)
}

func writeTar(out io.Writer, files []member, at time.Time) error {
	packer, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	w := tarfile.New(packer, at)
	for _, f := range files {
		if err := w.File(f.name, f.mode, f.path); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), packer.Close())
}

func writeZip(out io.Writer, files []member, at time.Time) error {
	w := zip.NewWriter(out)
	for _, f := range files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at}
		header.SetMode(os.FileMode(f.mode))
		part, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		if _, err := part.Write(content); err != nil {
			return err
		}
	}
	return w.Close()
}
