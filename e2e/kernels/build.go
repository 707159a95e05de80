package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// binaries are the folders of the tests that are run under other kernels, from the repository's
// root, by the names of their programs.
var binaries = map[string]string{
	"nft.test":          "nft",
	"iptables.test":     "nft/iptables",
	"host.test":         "controller/host",
	"conntrack.test":    "controller/conntrack",
	"sandbox.test":      "cmd/sandbox",
	"surroundings.test": "e2e/kernels/surroundings",
}

// build compiles what runs in a virtual machine, in which a compiler would take too long: with -quick
// only what its checks need.
func (o options) build(ctx context.Context) error {
	bin := filepath.Join(o.root, "bin", "kernels")
	product := filepath.Join(o.root, "bin", "picket")
	if err := o.compile(ctx, ".", "build", "-o", product, "./cmd/picket"); err != nil {
		return err
	}
	for program, folder := range binaries {
		if o.quick && program != "nft.test" && program != "sandbox.test" {
			continue
		}
		err := o.compile(ctx, folder, "test", "-c", "-o", filepath.Join(bin, program), ".")
		if err != nil {
			return err
		}
	}
	if o.quick {
		return nil
	}
	reliability := filepath.Join(bin, "reliability")
	if err := o.compile(ctx, "e2e", "build", "-o", reliability, "./reliability"); err != nil {
		return err
	}
	scratch := filepath.Join(bin, "_scratch")
	if err := errors.Join(os.RemoveAll(scratch), os.MkdirAll(scratch, 0o755)); err != nil {
		return err
	}
	prepare := exec.CommandContext(ctx, reliability, "-build", "-scratch", scratch, "-source", o.root)
	if text, err := prepare.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", reliability, err, text)
	}
	return nil
}

// compile runs the go command in a folder of the repository. The programs need no libraries of the
// machine that they are built on.
func (o options) compile(ctx context.Context, folder string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir, cmd.Env = filepath.Join(o.root, folder), append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s in %s: %w: %s", args[0], folder, err, text)
	}
	return nil
}
