package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/picket-project/picket/deploy/tarfile"
)

// archive writes an image as a tar that is an OCI archive and, for one architecture, a
// docker-archive at once:
//
//	oci-layout, index.json    what containerd, Podman and skopeo look for
//	manifest.json             what docker load looks for
//	blobs/sha256/...          manifest, config and layer, which both point at
func archive(images []v1.Image, ref name.Tag, out string) error {
	dir, err := os.MkdirTemp("", "picket-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := writeContent(images, ref, dir); err != nil {
		return err
	}
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	if err := errors.Join(pack(dir, file), file.Close()); err != nil {
		return errors.Join(err, os.Remove(out)) // half an archive would be taken for a whole one
	}
	return nil
}

// writeContent writes the files of an archive.
func writeContent(images []v1.Image, ref name.Tag, dir string) error {
	if len(images) == 1 {
		return errors.Join(writeLayout(images[0], ref, dir), writeManifest(images[0], ref, dir))
	}
	return writeIndex(images, ref, dir)
}

// annotated gives an image or an index its name: the tag as the specification has it, and the whole
// name as containerd and Podman want it.
func annotated(ref name.Tag) layout.Option {
	return layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": ref.TagStr(),
		"io.containerd.image.name":          ref.Name(),
	})
}

// writeLayout lays the image out as OCI says.
func writeLayout(img v1.Image, ref name.Tag, dir string) error {
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return err
	}
	return path.AppendImage(img, layout.WithPlatform(*config.Platform()), annotated(ref))
}

// writeIndex lays out an image of several architectures: one index, which names an image for each.
func writeIndex(images []v1.Image, ref name.Tag, dir string) error {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range images {
		config, err := img.ConfigFile()
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img,
			Descriptor: v1.Descriptor{Platform: config.Platform()}})
	}
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	return path.AppendIndex(index, annotated(ref))
}

// writeManifest adds the list of contents that docker save writes, pointing at the blobs of the
// layout.
func writeManifest(img v1.Image, ref name.Tag, dir string) error {
	manifest, err := img.Manifest()
	if err != nil {
		return err
	}
	entry := tarball.Descriptor{Config: blob(manifest.Config.Digest),
		RepoTags: []string{ref.Name()}}
	for _, layer := range manifest.Layers {
		entry.Layers = append(entry.Layers, blob(layer.Digest))
	}
	text, err := json.Marshal(tarball.Manifest{entry})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "manifest.json"), text, 0o600)
}

func blob(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

// pack puts the files of a folder into a tar, in the order of their names and without anything that
// differs from one run to the next.
func pack(dir string, out *os.File) error {
	w := tarfile.New(out, epoch)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		return w.File(name, 0o644, path)
	})
	return errors.Join(err, w.Close())
}
