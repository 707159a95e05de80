package main

import (
	"archive/tar"
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
	name    string
	mode    int64
	content []byte
}

// members are the files of an archive: the program, the license and, where people have man, the
// pages. As kubectl-picket the program is a plugin of kubectl; krew gives it that name.
func (r release) members(p platform) (all []member, err error) {
	add := func(path, name string, mode int64) {
		content, e := os.ReadFile(path)
		err = errors.Join(err, e)
		all = append(all, member{name, mode, content})
	}
	add(filepath.Join(p.folder, p.program()), p.program(), 0o755)
	add(filepath.Join(r.root, "LICENSE"), "LICENSE", 0o644)
	if p.os == "windows" {
		return all, err
	}
	pages, e := filepath.Glob(filepath.Join(r.man, "*.1"))
	if e == nil && len(pages) == 0 {
		e = fmt.Errorf("-man %s holds no man page", r.man)
	}
	for _, page := range pages {
		add(page, "man/man1/"+filepath.Base(page), 0o644)
	}
	return all, errors.Join(err, e)
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
	w := tar.NewWriter(packer)
	for _, f := range files {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode,
			Size: int64(len(f.content)), ModTime: at, Format: tar.FormatUSTAR}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := w.Write(f.content); err != nil {
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
		if _, err := part.Write(f.content); err != nil {
			return err
		}
	}
	return w.Close()
}
