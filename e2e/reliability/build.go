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
	overlay, err := overlaid(scratch, nextLayout(source)...)
	if err != nil {
		return err
	}
	return errors.Join(
		compile(ctx, filepath.Join(source, "e2e"), "-o", filepath.Join(scratch, probeProgram),
			"./probe"),
		compile(ctx, source, "-overlay", overlay, "-o", filepath.Join(scratch, nextProgram),
			"./cmd/picket"),
	)
}

func compile(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"build", "-trimpath", "-ldflags=-s -w"},
		args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", args[len(args)-1], err, out)
	}
	return nil
}

// edit is another text for one place of a source file.
type edit struct{ file, old, new string }

// nextLayout is that of another version, which differs in a comment of the frame, in each backend,
// and with nftables in how many packets of a burst a pod's chain logs.
func nextLayout(source string) (edits []edit) {
	for _, file := range []string{"nft/layout.go", "nft/iptables/frame.go"} {
		edits = append(edits, edit{filepath.Join(source, file), `"errors about what was allowed"`,
			`"errors about what was permitted"`})
	}
	return append(edits, edit{filepath.Join(source, "nft/term.go"), "Burst: logBurst}",
		"Burst: logBurst + 1}"})
}

// overlaid makes edits, one of a file, and the overlay by which the compiler takes them. The source
// stays as it is.
func overlaid(scratch string, edits ...edit) (overlay string, err error) {
	replace := map[string]string{}
	for _, e := range edits {
		file, err := filepath.Abs(e.file)
		if err != nil {
			return "", err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		if n := bytes.Count(text, []byte(e.old)); n != 1 {
			return "",
				fmt.Errorf("%s: %q stands there %d times, so there is no other version of it", file,
					e.old, n)
		}
		other := filepath.Join(scratch, filepath.Base(file))
		if err := os.WriteFile(other, bytes.Replace(text, []byte(e.old), []byte(e.new), 1),
			0o644); err != nil {
			return "", err
		}
		replace[file] = other
		overlay = other + ".json"
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	return overlay, errors.Join(err, os.WriteFile(overlay, text, 0o644))
}

// folders are those that a program is built from and into.
type folders struct{ source, scratch string }

// buildJumping builds Picket with a clock that jumps after each phase, and with edits. The
// product's source is edited as text, since no flag could ask for that.
func (f folders) buildJumping(
	ctx context.Context, phase time.Duration, edits ...edit,
) (program string, err error) {
	program = filepath.Join(f.scratch, fmt.Sprintf("picket-jumps-%v", phase))
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	now := edit{file: filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go"),
		old: "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {"}
	now.new = fmt.Sprintf(
		"\tsec, nsec, mono := runtimeNow()\n\tsec += [...]int64{0, 86400, "+
			"-86400}[min((mono-startNano)/%d, 2)]\n\tif mono == 0 {", phase)
	overlay, err := overlaid(f.scratch, append(edits, now)...)
	if err != nil {
		return "", err
	}
	return program, compile(ctx, f.source, "-overlay", overlay, "-o", program, "./cmd/picket")
}
