package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kubernetesVersion is what that e2e/kubernetes pins; the servers say that they are of it.
const kubernetesVersion = "1.34.4"

// build puts the programs and images of a cluster into the home, or the API server alone, unless they are there.
func build(ctx context.Context, h home, server bool) error {
	module, err := moduleDir(ctx)
	if err != nil {
		return err
	}
	stamp, err := digest(module)
	if err != nil {
		return err
	}
	if have, err := os.ReadFile(h.path("built")); err == nil && string(have) == stamp {
		return nil
	}
	if err := errors.Join(os.MkdirAll(h.path("bin"), 0o755), os.MkdirAll(h.path("images"), 0o755)); err != nil {
		return err
	}
	if server {
		return apiServer(h, module).run(ctx)
	}
	for _, step := range steps(h, module) {
		if err := step.run(ctx); err != nil {
			return err
		}
	}
	if err := writeImages(ctx, h, module); err != nil {
		return err
	}
	return os.WriteFile(h.path("built"), []byte(stamp), 0o644)
}

// moduleDir is the folder e2e, whose programs this is one of.
func moduleDir(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("find the module: %w; expected to be run in the folder e2e", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// digest is of all files that decide what is built.
func digest(module string) (string, error) {
	hash := sha256.New()
	for _, pattern := range []string{"*/go.mod", "*/go.sum", "kubernetes/netpol/*.go", "probe/*.go", "cyclonus/*.go", "cyclonus/worker/*.go", "cluster/build.go", "cluster/image.go"} {
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

// step is a run of the compiler.
type step struct {
	what, dir string
	cgo       bool
	args      []string
}

// stripped is the same for all, so that packages are compiled once.
const stripped = "-ldflags=-s -w"

// kubernetesFlags are for the linker: Kubernetes' programs derive their features from the version.
func kubernetesFlags() string {
	version := "k8s.io/component-base/version.git"
	return fmt.Sprintf("%s -X %sVersion=v%s -X %sMajor=1 -X %sMinor=34", stripped, version, kubernetesVersion, version, version)
}

// apiServer is the one of Kubernetes' programs that is of use alone.
func apiServer(h home, module string) step {
	return step{what: "kube-apiserver " + kubernetesVersion, dir: module + "/kubernetes",
		args: []string{"build", "-trimpath", kubernetesFlags(), "-o", h.path("bin") + "/", "k8s.io/kubernetes/cmd/kube-apiserver"}}
}

// steps are everything that is compiled. Flannel's oldest backend is written in C, so that it needs cgo.
func steps(h home, module string) []step {
	return []step{
		{what: "all of Kubernetes " + kubernetesVersion, dir: module + "/kubernetes", args: []string{"build", "-trimpath", kubernetesFlags(), "-o", h.path("bin") + "/", "tool"}},
		{what: "Kubernetes' NetworkPolicy suite", dir: module + "/kubernetes",
			args: []string{"test", "-vet=off", "-c", "-trimpath", stripped, "-o", h.bin("netpol.test"), "./netpol"}},
		{what: "flannel", dir: module + "/flannel", cgo: true,
			args: []string{"build", "-trimpath", stripped, "-o", h.bin("flanneld"), "github.com/flannel-io/flannel"}},
		{what: "the probe of the tests", dir: module, args: []string{"build", "-trimpath", stripped, "-o", h.bin("probe"), "./probe"}},
		{what: "cyclonus", dir: module + "/cyclonus", args: []string{"build", "-trimpath", stripped, "-o", h.path("bin") + "/", "./..."}},
		{what: "flannel's CNI plugin", dir: "/",
			args: []string{"install", "-trimpath", stripped, "github.com/containernetworking/plugins/plugins/meta/flannel@v0.9.1"}},
	}
}

func (s step) run(ctx context.Context) error {
	fmt.Fprintf(os.Stderr, "building %s\n", s.what)
	cmd := exec.CommandContext(ctx, "go", s.args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, os.Stderr, os.Stderr
	cgo := "0"
	if s.cgo {
		cgo = "1"
	}
	cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo, "GOFLAGS=-buildvcs=false", "GOBIN="+newHome().path("bin"))
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", s.what, err)
	}
	return nil
}
