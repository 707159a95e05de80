package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
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

// newImage returns an image that holds nothing but the program.
func newImage(binary, arch string, ref name.Tag) (v1.Image, error) {
	content, err := programLayer(binary)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1),
		types.OCIConfigJSON)
	img, err := mutate.Append(base, mutate.Addendum{
		Layer:   content,
		History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "COPY picket /picket"},
	})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config.OS, config.Architecture, config.Created = "linux", arch, v1.Time{Time: epoch}
	config.Config = runConfig(ref)
	return mutate.ConfigFile(img, config)
}

// runConfig is how the program runs; ../Containerfile says the same.
func runConfig(ref name.Tag) v1.Config {
	return v1.Config{
		Entrypoint: []string{"/picket"},
		Env:        []string{"PATH=/"},
		User:       "0", // capabilities are in effect for root only
		WorkingDir: "/",
		Labels: map[string]string{
			"org.opencontainers.image.title":    "picket",
			"org.opencontainers.image.source":   "https://github.com/picket-project/picket",
			"org.opencontainers.image.licenses": "Apache-2.0",
			"org.opencontainers.image.version":  ref.TagStr(),
		},
	}
}

// programLayer holds one file, /picket.
func programLayer(binary string) (v1.Layer, error) {
	program, err := os.ReadFile(binary)
	if err != nil {
		return nil, err
	}
	var layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := write(w, "picket", 0o755, int64(len(program)), bytes.NewReader(program)); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(layer.Bytes())), nil
	}
	return tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer),
		tarball.WithCompressionLevel(gzip.BestCompression), tarball.WithCompressedCaching)
}

// write adds a file of root's, without a time, to a tar.
func write(w *tar.Writer, name string, mode, size int64, content io.Reader) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: size, ModTime: epoch,
		Format: tar.FormatUSTAR}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := io.Copy(w, content)
	return err
}
