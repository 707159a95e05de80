package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// build compiles the programs and makes the images of a cluster, unless they are there. With
// serverOnly it compiles the API server and its etcd alone.
func build(ctx context.Context, h home, serverOnly bool) error {
	module, err := moduleDir(ctx)
	if err != nil {
		return err
	}
	hash, err := sourceHash(module)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(h.path("built")); err == nil && string(have) == hash {
		return nil
	}
	for _, dir := range []string{"bin", "containerd", "cni", "images"} {
		if err := os.MkdirAll(h.path(dir), 0o755); err != nil {
			return err
		}
	}
	if serverOnly {
		return runSteps(ctx, serverSteps(h, module))
	}
	if err := runSteps(ctx, clusterSteps(h, module)); err != nil {
		return err
	}
	if err := writeImages(ctx, h, module); err != nil {
		return err
	}
	return os.WriteFile(h.path("built"), []byte(hash), 0o644)
}

// moduleDir returns the folder e2e, to which this program belongs.
func moduleDir(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w; expected to be run in the folder e2e", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// sources match all files, below the folder e2e, that decide what is built.
var sources = []string{
	"*/go.mod", "*/go.sum", "kubernetes/netpol/*.go", "probe/*.go", "cyclonus/*.go",
	"cyclonus/worker/*.go", "cluster/versions.env", "cluster/build.go", "cluster/image.go",
}

// sourceHash returns a hash of the sources: what was built from others is built again.
func sourceHash(module string) (string, error) {
	hash := sha256.New()
	for _, pattern := range sources {
		files, err := filepath.Glob(filepath.Join(module, pattern))
		if err != nil {
			return "", err
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				return "", err
			}
			hash.Write(data)
		}
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}

// step is one run of the go command.
type step struct {
	what string
	dir  string // to run it in
	cgo  bool
	bin  string // where `go install` puts its programs
	args []string
}

// stripped leaves out symbols. All steps have the same flags, so that packages are compiled once.
const stripped = "-ldflags=-s -w"

// kubernetesFlags are for the linker: Kubernetes' programs derive their features from the version.
func kubernetesFlags() string {
	version, variable := versionOf("KUBERNETES"), "k8s.io/component-base/version.git"
	_, minor, _ := strings.Cut(version, ".")
	minor, _, _ = strings.Cut(minor, ".")
	return fmt.Sprintf("%s -X %sVersion=v%s -X %sMajor=1 -X %sMinor=%s",
		stripped, variable, version, variable, variable, minor)
}

// kubernetesStep compiles one of Kubernetes' programs, or all of them: tool.
func kubernetesStep(h home, module, program string) step {
	return step{
		what: program + " of Kubernetes " + versionOf("KUBERNETES"), dir: module + "/kubernetes",
		args: []string{"build", "-trimpath", kubernetesFlags(), "-o", h.path("bin") + "/", program},
	}
}

// serverSteps compile the API server and the etcd that it needs.
func serverSteps(h home, module string) []step {
	return []step{
		kubernetesStep(h, module, "k8s.io/kubernetes/cmd/kube-apiserver"),
		{what: "etcd " + versionOf("ETCD"), dir: module + "/etcd",
			args: []string{
				"build", "-trimpath", stripped, "-o", h.bin("etcd"), "go.etcd.io/etcd/server/v3"}},
	}
}

// clusterSteps compile everything. Flannel's oldest backend and a part of runc are written in C, so
// that they need cgo.
func clusterSteps(h home, module string) []step {
	return append(serverSteps(h, module),
		kubernetesStep(h, module, "tool"),
		step{what: "Kubernetes' NetworkPolicy suite", dir: module + "/kubernetes", args: []string{
			"test", "-vet=off", "-c", "-trimpath", stripped, "-o", h.bin("netpol.test"),
			"./netpol"}},
		step{what: "flannel " + versionOf("FLANNEL"), dir: module + "/flannel", cgo: true,
			args: []string{
				"build", "-trimpath", stripped, "-o", h.bin("flanneld"),
				"github.com/flannel-io/flannel"}},
		step{what: "the probe of the tests", dir: module,
			args: []string{"build", "-trimpath", stripped, "-o", h.bin("probe"), "./probe"}},
		step{what: "cyclonus", dir: module + "/cyclonus",
			args: []string{"build", "-trimpath", stripped, "-o", h.path("bin") + "/", "./..."}},
		runc(h),
		published("CONTAINERD", h.path("containerd"), containerd+"containerd",
			containerd+"containerd-shim-runc-v2", containerd+"ctr"),
		published("CNI_PLUGINS", h.path("cni"), plugins+"main/bridge", plugins+"main/loopback",
			plugins+"ipam/host-local", plugins+"meta/portmap"),
		published("FLANNEL_PLUGIN", h.path("cni"), plugins+"meta/flannel"),
	)
}

// Where the programs of a module are.
const (
	containerd = "github.com/containerd/containerd/v2/cmd/"
	plugins    = "github.com/containernetworking/plugins/plugins/"
)

// runc compiles runc with what containerd expects of it by default: seccomp.
func runc(h home) step {
	s := published("RUNC", h.path("containerd"), "github.com/opencontainers/runc")
	s.cgo, s.args = true, slices.Insert(s.args, 1, "-tags=seccomp")
	return s
}

// published compiles programs of a module as it is published, of the version that has this name in
// versions.env, into a folder.
func published(name, bin string, programs ...string) step {
	version := versionOf(name)
	s := step{what: programs[0] + " " + version, dir: "/", bin: bin,
		args: []string{"install", "-trimpath", stripped}}
	for _, program := range programs {
		s.args = append(s.args, program+"@v"+version)
	}
	return s
}

func runSteps(ctx context.Context, steps []step) error {
	for _, s := range steps {
		if err := s.run(ctx); err != nil {
			return fmt.Errorf("build %s: %w", s.what, err)
		}
	}
	return nil
}

func (s step) run(ctx context.Context) error {
	fmt.Fprintf(os.Stderr, "building %s\n", s.what)
	cmd := exec.CommandContext(ctx, "go", s.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, os.Stderr, os.Stderr
	cgo := "0"
	if s.cgo {
		cgo = "1"
	}
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo, "GOFLAGS=-buildvcs=false", "GOBIN="+s.bin)
	return errors.Join(ctx.Err(), cmd.Run())
}
