package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// The programs beside the one that is tested, as they are called in the scratch folder.
const (
	probeProgram = "probe"       // e2e/probe
	nextProgram  = "picket-next" // Picket with another layout of its table
)

// build makes both programs, where they are not there yet.
func build(ctx context.Context, source, scratch string) error {
	if _, err := os.Stat(filepath.Join(scratch, nextProgram)); err == nil {
		return nil
	}
	overlay, err := nextLayout(source, scratch)
	if err != nil {
		return err
	}
	return errors.Join(
		compile(ctx, filepath.Join(source, "e2e"), "-o", filepath.Join(scratch, probeProgram), "./probe"),
		compile(ctx, source, "-overlay", overlay, "-o", filepath.Join(scratch, nextProgram), "./cmd/picket"),
	)
}

func compile(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-ldflags=-s -w"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", args[len(args)-1], err, out)
	}
	return nil
}

// nextLayout writes the layout of another version, which differs in a comment of the frame, and the overlay by
// which the compiler takes it. The source stays as it is.
func nextLayout(source, scratch string) (overlay string, err error) {
	layout, err := filepath.Abs(filepath.Join(source, "nft", "layout.go"))
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(layout)
	if err != nil {
		return "", err
	}
	comment := []byte(`"errors about what was allowed"`)
	if n := bytes.Count(text, comment); n != 1 {
		return "", fmt.Errorf("%s: the comment %s stands there %d times, so there is no next version of it", layout, comment, n)
	}
	next, overlay := filepath.Join(scratch, "layout.go"), filepath.Join(scratch, "overlay.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {layout: next}})
	return overlay, errors.Join(err,
		os.WriteFile(next, bytes.Replace(text, comment, []byte(`"errors about what was permitted"`), 1), 0o644),
		os.WriteFile(overlay, replace, 0o644))
}
