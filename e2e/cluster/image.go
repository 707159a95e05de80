package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
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

// The images of a cluster: what holds a pod's namespaces, and what Kubernetes' tests run in pods.
var (
	pauseImage   = "registry.k8s.io/pause:" + versionOf("PAUSE")
	agnhostImage = "registry.k8s.io/e2e-test-images/agnhost:" + versionOf("AGNHOST")
)

// What our own tests and cyclonus run in pods.
const (
	probeImage  = "localhost/probe:e2e"
	workerImage = "docker.io/mfenwick100/cyclonus-worker:latest"
)

// writeImages makes the archives of the images from programs that are built.
func writeImages(ctx context.Context, h home, module string) error {
	if err := buildPause(ctx, h, module); err != nil {
		return err
	}
	for _, i := range []image{
		{pauseImage, nil, []string{"pause"}},
		{agnhostImage, []string{"pause"}, []string{"agnhost"}},
		{probeImage, nil, []string{"probe"}},
		{workerImage, nil, []string{"worker", "agnhost"}},
	} {
		if err := i.write(h); err != nil {
			return fmt.Errorf("image %s: %w", i.name, err)
		}
	}
	return nil
}

// image is made from scratch of a few programs, of which the first is its entry point.
type image struct {
	name     string
	cmd      []string // arguments, where a pod gives none
	programs []string
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
	args := []string{"-Os", "-static", "-DVERSION=" + versionOf("PAUSE"), "-o", h.bin("pause"),
		source}
	out, err := exec.CommandContext(ctx, "gcc", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("compile pause: %w: %s", err, out)
	}
	return nil
}

func (i image) write(h home) error {
	files, err := i.files(h)
	if err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(files)), nil
	})
	if err != nil {
		return err
	}
	base, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS: "linux", Architecture: runtime.GOARCH, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Entrypoint: []string{"/" + i.programs[0]}, Cmd: i.cmd},
	})
	if err != nil {
		return err
	}
	built, err := mutate.AppendLayers(base, layer)
	if err != nil {
		return err
	}
	reference, err := name.ParseReference(i.name)
	if err != nil {
		return err
	}
	return tarball.WriteToFile(h.path("images", i.programs[0]+".tar"), reference, built)
}

// passwd has the users whom Kubernetes' tests expect in the test image.
const passwd = "root:x:0:0:root:/:/\nuser-defined-in-image:x:1000:1000::/:/\n"

// files returns the one layer of an image: the programs, users, and the folders that a container
// needs.
func (i image) files(h home) ([]byte, error) {
	var buffer bytes.Buffer
	out := tar.NewWriter(&buffer)
	for _, dir := range []string{"dev/", "etc/", "proc/", "sys/", "tmp/", "uploads/"} {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o777}
		if err := out.WriteHeader(header); err != nil {
			return nil, err
		}
	}
	errs := []error{addFile(out, "etc/passwd", 0o644, []byte(passwd))}
	for _, program := range i.programs {
		data, err := os.ReadFile(h.bin(program))
		errs = append(errs, err, addFile(out, program, 0o755, data))
	}
	return buffer.Bytes(), errors.Join(append(errs, out.Close())...)
}

func addFile(out *tar.Writer, name string, mode int64, data []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(data))}
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	_, err := out.Write(data)
	return err
}
