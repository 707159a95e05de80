package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// places are the folders below which the product has benchmarks. Those of
// cmd/sandbox measure what the tests are made of.
var places = []string{"controller", "nft", "ruleset"}

// testProgram is the compiled tests of one package. It runs in the package's folder.
type testProgram struct{ path, dir string }

// compile builds the packages of a tree that have benchmarks, into a folder. A place that the tree
// does not have is left out.
func compile(ctx context.Context, tree, into string) ([]testProgram, error) {
	var programs []testProgram
	for _, place := range places {
		folders, err := benchmarked(filepath.Join(tree, place))
		if err != nil {
			return nil, err
		}
		for _, dir := range folders {
			p := testProgram{filepath.Join(into, fmt.Sprintf("%d.test", len(programs))), dir}
			if _, err := output(ctx, dir, "go", "test", "-c", "-o", p.path, "."); err != nil {
				return nil, err
			}
			programs = append(programs, p)
		}
	}
	return programs, nil
}

// benchmarked returns the folders below one that hold benchmarks, sorted.
func benchmarked(top string) ([]string, error) {
	var folders []string
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		dir := filepath.Dir(path)
		if bytes.Contains(text, []byte("\nfunc Benchmark")) &&
			(len(folders) == 0 || folders[len(folders)-1] != dir) {
			folders = append(folders, dir)
		}
		return err
	})
	return folders, err
}

// run adds what the benchmarks print to a file.
func (p testProgram) run(ctx context.Context, o options, file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, p.path, "-test.run=^$", "-test.benchmem",
		"-test.bench="+o.bench, "-test.benchtime="+o.time)
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.dir, f, os.Stderr
	if err := errors.Join(cmd.Run(), f.Close()); err != nil {
		return fmt.Errorf("benchmarks of %s: %w", p.dir, err)
	}
	return nil
}
