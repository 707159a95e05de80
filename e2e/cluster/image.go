package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// The images of a cluster: what holds a pod's namespaces, and what Kubernetes' tests and ours run in pods.
const (
	pauseImage   = "registry.k8s.io/pause:3.10.1"
	agnhostImage = "registry.k8s.io/e2e-test-images/agnhost:2.56"
	probeImage   = "localhost/probe:e2e"
)

// writeImages makes the archives of the images from programs that are built.
func writeImages(ctx context.Context, h home, module string) error {
	if err := buildPause(ctx, h, module); err != nil {
		return err
	}
	for image, config := range map[string]v1.Config{
		pauseImage:   {Entrypoint: []string{"/pause"}},
		agnhostImage: {Entrypoint: []string{"/agnhost"}, Cmd: []string{"pause"}},
		probeImage:   {Entrypoint: []string{"/probe"}},
	} {
		if err := writeImage(h, image, config); err != nil {
			return fmt.Errorf("image %s: %w", image, err)
		}
	}
	return nil
}

// buildPause compiles Kubernetes' pause, 70 lines of C.
func buildPause(ctx context.Context, h home, module string) error {
	list := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/kubernetes")
	list.Dir = filepath.Join(module, "kubernetes")
	dir, err := list.Output()
	if err != nil {
		return fmt.Errorf("find the source of pause: %w", err)
	}
	source := filepath.Join(strings.TrimSpace(string(dir)), "build", "pause", "linux", "pause.c")
	out, err := exec.CommandContext(ctx, "gcc", "-Os", "-static", "-DVERSION=3.10.1", "-o", h.bin("pause"), source).CombinedOutput()
	if err != nil {
		return fmt.Errorf("compile pause: %w: %s", err, out)
	}
	return nil
}

// writeImage makes an image from scratch of one program, which its entry point names.
func writeImage(h home, image string, config v1.Config) error {
	program := filepath.Base(config.Entrypoint[0])
	files, err := fileSystem(h.bin(program))
	if err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files)), nil })
	if err != nil {
		return err
	}
	base, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: runtime.GOARCH, Config: config,
		RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		return err
	}
	built, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return err
	}
	reference, err := name.ParseReference(image)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(h.path("images", program+".tar"), reference, built)
}

// users are those whom Kubernetes' tests expect in the test image.
const passwd = "root:x:0:0:root:/:/\nuser-defined-in-image:x:1000:1000::/:/\n"

// fileSystem is the one layer of an image: the program, users, and the folders that a container wants to have.
func fileSystem(program string) ([]byte, error) {
	binary, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	var buffer bytes.Buffer
	out := tar.NewWriter(&buffer)
	for _, dir := range []string{"dev/", "etc/", "proc/", "sys/", "tmp/", "uploads/"} {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o777}); err != nil {
			return nil, err
		}
	}
	for _, file := range []struct {
		name string
		mode int64
		data []byte
	}{{"etc/passwd", 0o644, []byte(passwd)}, {filepath.Base(program), 0o755, binary}} {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: file.name, Mode: file.mode, Size: int64(len(file.data))}
		if err := out.WriteHeader(header); err != nil {
			return nil, err
		}
		if _, err := out.Write(file.data); err != nil {
			return nil, err
		}
	}
	return buffer.Bytes(), out.Close()
}
