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
	"strings"
	"time"
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
	return overlaid(layout, bytes.Replace(text, comment, []byte(`"errors about what was permitted"`), 1), scratch)
}

// overlaid writes another text of a source file, and the overlay by which the compiler takes it.
func overlaid(file string, text []byte, scratch string) (overlay string, err error) {
	other := filepath.Join(scratch, filepath.Base(file))
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {file: other}})
	overlay = other + ".json"
	return overlay, errors.Join(err, os.WriteFile(other, text, 0o644), os.WriteFile(overlay, replace, 0o644))
}

// buildJumping builds Picket with a clock that jumps.
func buildJumping(ctx context.Context, source, scratch string, phase time.Duration) (program string, err error) {
	program = filepath.Join(scratch, fmt.Sprintf("picket-jumps-%v", phase))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	usual := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(usual)
	if err != nil {
		return "", err
	}
	now := []byte("\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {")
	if n := bytes.Count(text, now); n != 1 {
		return "", fmt.Errorf("%s: what the clock is read by stands there %d times", usual, n)
	}
	jumps := fmt.Sprintf("\tsec, nsec, mono := runtimeNow()\n\tsec += [...]int64{0, 86400, -86400}[min((mono-startNano)/%d, 2)]\n\tif mono == 0 {", phase)
	overlay, err := overlaid(usual, bytes.Replace(text, now, []byte(jumps), 1), scratch)
	return program, errors.Join(err, compile(ctx, source, "-overlay", overlay, "-o", program, "./cmd/picket"))
}
