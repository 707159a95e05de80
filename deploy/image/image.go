package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/picket-project/picket/deploy/tarfile"
)

// epoch is when everything in an image was made, so that the same program always gives the same
// image.
var epoch = time.Unix(0, 0).UTC()

// parseTag wants the full name: engines guess a missing registry or tag differently.
func parseTag(text string) (name.Tag, error) {
	ref, err := name.NewTag(text, name.StrictValidation)
	if err != nil {
		return ref, fmt.Errorf("-tag %q: %w; expected REGISTRY/NAME:TAG", text, err)
	}
	return ref, nil
}

// newImage returns an image that holds nothing but what it is made from.
func newImage(from contents, arch string, ref name.Tag) (v1.Image, error) {
	var layers []mutate.Addendum
	if from.root != "" {
		programs, err := rootLayer(from.root)
		if err != nil {
			return nil, err
		}
		layers = append(layers, addendum(programs, "COPY root /"))
	}
	content, err := programLayer(from)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1),
		types.OCIConfigJSON)
	img, err := mutate.Append(base, append(layers, addendum(content, "COPY picket /picket"))...)
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: epoch}
	config.Config = runConfig(ref)
	if from.revision != "" {
		config.Config.Labels["org.opencontainers.image.revision"] = from.revision
	}
	if from.root != "" {
		config.Config.Env = []string{"PATH=/:/usr/sbin"}
	}
	return mutate.ConfigFile(img, config)
}

// fits is an error if the layers of an image are larger than they may be.
func (c contents) fits(img v1.Image) error {
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	total := int64(0)
	for _, layer := range layers {
		size, err := layer.Size() // compressed
		if err != nil {
			return err
		}
		total += size
	}
	if c.most > 0 && total > c.most {
		return fmt.Errorf("%d bytes compressed; expected at most %d", total, c.most)
	}
	return nil
}

// addendum is a layer and how it would be made by hand.
func addendum(layer v1.Layer, by string) mutate.Addendum {
	return mutate.Addendum{Layer: layer,
		History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: by}}
}

// runConfig is how the program runs; ../Containerfile says the same.
func runConfig(ref name.Tag) v1.Config {
	return v1.Config{
		Entrypoint: []string{"/picket"},
		Env:        []string{"PATH=/"},
		User:       "0", // capabilities are in effect for root only
		WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":         "picket",
			"org.opencontainers.image.description":   "NetworkPolicy for clusters whose network plugin has none",
			"org.opencontainers.image.source":        "https://github.com/picket-project/picket",
			"org.opencontainers.image.documentation": "https://github.com/picket-project/picket/blob/main/deploy/README.md",
			"org.opencontainers.image.licenses":      "Apache-2.0",
			"org.opencontainers.image.version":       ref.TagStr(),
		},
	}
}

// programLayer holds the program, its other name, for charts that start kube-network-policies, and
// what it is made of, where scanners find it.
func programLayer(from contents) (v1.Layer, error) {
	var layer bytes.Buffer
	w := tarfile.New(&layer, epoch)
	err := errors.Join(w.File("picket", 0o755, from.binary), w.Folder("bin"),
		w.Link("bin/netpol", "../picket"))
	if from.sbom != "" {
		err = errors.Join(err, w.File("picket.spdx.json", 0o644, from.sbom))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, err
	}
	return packed(&layer)
}

// packed makes a layer of a tar.
func packed(layer *bytes.Buffer) (v1.Layer, error) {
	open := func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	}
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithCompressedCaching)
}

// rootLayer holds the folders, files and links of a folder, in the order of their names.
func rootLayer(root string) (v1.Layer, error) {
	var layer bytes.Buffer
	w := tarfile.New(&layer, epoch)
	add := func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		return writeEntry(w, path, strings.TrimPrefix(path, root+string(filepath.Separator)), entry)
	}
	if err := filepath.WalkDir(filepath.Clean(root), add); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return packed(&layer)
}

// writeEntry adds a folder, a file or a link to a tar, as root's and readable for all.
func writeEntry(w tarfile.Writer, path, name string, entry fs.DirEntry) error {
	switch {
	case entry.IsDir():
		return w.Folder(name)
	case entry.Type()&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return errors.Join(err, w.Link(name, target))
	}
	return w.File(name, 0o755, path)
}
