// Command compare runs the Go benchmarks of another revision and those of the work tree by turns,
// and lets benchstat say what differs. The other revision runs twice: what it differs by from
// itself says what the rest is worth.
//
//	compare [-bench REGEXP] [-rounds N] REVISION
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/picket-project/picket/e2e/launch"
)

// benchstat is the program that compares; it comes through the module proxy and is no part of any
// go.mod.
const benchstat = "golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da"

func main() {
	launch.Main("compare", func(ctx context.Context, args []string) error {
		o, err := parse(args)
		if err != nil {
			return err
		}
		return o.run(ctx)
	})
}

// options are the flags and the argument.
type options struct {
	revision, bench, time string
	rounds                int
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("compare", flag.ContinueOnError)
	flags.StringVar(&o.bench, "bench", ".", "benchmarks to run, a regular expression as of go test")
	flags.StringVar(&o.time, "benchtime", "200ms", "of each, as of go test")
	flags.IntVar(&o.rounds, "rounds", 6, "how often; benchstat wants 6 at least")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() != 1 {
		return o, fmt.Errorf("%q: expected one revision to compare with, as git names it "+
			"(make bench-compare OLD=HEAD~1)", flags.Args())
	}
	o.revision = flags.Arg(0)
	return o, nil
}

func (o options) run(ctx context.Context) (err error) {
	top, err := output(ctx, ".", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "picket-compare-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	old := filepath.Join(scratch, "tree")
	if _, err := output(ctx, top, "git", "worktree", "add", "--detach", old,
		o.revision); err != nil {
		return err
	}
	defer func() {
		_, removed := output(context.WithoutCancel(ctx), top, "git", "worktree", "remove",
			"--force", old)
		err = errors.Join(err, removed)
	}()
	was, err := compile(ctx, old, filepath.Join(scratch, "old"))
	if err != nil {
		return err
	}
	is, err := compile(ctx, top, filepath.Join(scratch, "new"))
	if err != nil {
		return err
	}
	sides := []side{{"old", was}, {"new", is}, {"old-again", was}}
	if err := o.byTurns(ctx, scratch, sides); err != nil {
		return err
	}
	return stat(ctx, scratch, sides)
}

// side is a column of what benchstat prints.
type side struct {
	name     string
	programs []testProgram
}

func (s side) file(scratch string) string { return filepath.Join(scratch, s.name+".txt") }

// byTurns runs everything of each side, again and again.
func (o options) byTurns(ctx context.Context, scratch string, sides []side) error {
	for round := range o.rounds {
		for _, s := range sides {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", round+1, o.rounds, s.name)
			for _, p := range s.programs {
				if err := p.run(ctx, o, s.file(scratch)); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func stat(ctx context.Context, scratch string, sides []side) error {
	args := []string{"run", benchstat}
	for _, s := range sides {
		args = append(args, s.name+"="+s.file(scratch))
	}
	text, err := output(ctx, scratch, "go", args...)
	fmt.Println(text)
	return err
}

// output runs a program in a folder and returns what it prints; an error tells what it complained
// of.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w\n%s", err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out)), nil
}
