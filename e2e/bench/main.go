package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/e2e/launch"
)

func main() {
	launch.Main("bench", func(ctx context.Context, args []string) error {
		o, err := parse(args)
		if err != nil {
			return err
		}
		return o.start(ctx, args)
	})
}

// options are the flags.
type options struct {
	sections []section
	out      string // folder; empty: standard output, without charts
	commit   string
	programs string // folder of the compiled Go benchmarks; empty: they are not compiled yet
	scale    scale
}

// scale is how large and how long everything is.
type scale struct {
	pods     []int // of clusters, the smallest first
	elements []int // of sets, the smallest first
	packets  int   // of one turn
	rounds   int   // by turns, at most
	limit    time.Duration
	idle     time.Duration // for which an agent that has nothing to do is looked at
	short    bool

	benchmarks goBenchmarks
}

// The limit is for one comparison, so that all of it ends within half an hour. After two minutes
// without a reason Go collects garbage.
var (
	full = scale{
		pods: []int{1000, 10_000, 100_000}, elements: []int{1000, 10_000, 100_000}, packets: 5000,
		rounds: 100,
		limit:  40 * time.Second, idle: 125 * time.Second,
	}
	small = scale{
		pods: []int{200, 400, 1000}, elements: []int{10, 100, 1000}, packets: 200, rounds: 3,
		limit: 2 * time.Second, idle: 2 * time.Second, short: true,
	}
)

// largest is the last of a list of sizes.
func largest(sizes []int) int { return sizes[len(sizes)-1] }

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	names := flags.String("sections", "",
		"sections to run, separated by commas, of "+strings.Join(namesOf(sections()),
			", ")+"; all of them without this")
	short := flags.Bool("short", false, "small clusters and few rounds: to see that it works")
	flags.StringVar(&o.out, "out", "",
		"folder for BENCH.md and its charts; without this the tables are printed")
	flags.StringVar(&o.programs, "programs", "",
		"folder of compiled Go benchmarks, which stay; without this they are compiled and go")
	flags.StringVar(&o.commit, "commit", "unknown", "what is measured")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q: expected flags only", flags.Args())
	}
	o.scale = full
	if *short {
		o.scale = small
	}
	o.sections, err = choose(sections(), *names)
	return o, err
}

// start compiles the Go benchmarks, then goes on inside of namespaces of its own, with which
// everything ends.
func (o options) start(ctx context.Context, args []string) (err error) {
	if o.programs == "" {
		if o.programs, err = os.MkdirTemp("", "picket-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.programs)
	}
	if o.programs, err = filepath.Abs(o.programs); err != nil {
		return err
	}
	o.scale.benchmarks = goBenchmarks{o.programs}
	if err := o.scale.benchmarks.build(ctx); err != nil {
		return err
	}
	inside, code, err := sandbox.Enter(append(args, "-programs", o.programs))
	switch {
	case err != nil:
		return err
	case !inside:
		return launch.ExitCode(code)
	}
	return o.run(ctx, os.Stdout)
}

func (o options) run(ctx context.Context, stdout io.Writer) error {
	b := report{commit: o.commit, machine: thisMachine(), began: time.Now(), load: load()}
	for _, s := range o.sections {
		fmt.Fprintf(os.Stderr, "%s ...\n", s.name)
		began := time.Now()
		part, err := s.run(ctx, o.scale)
		if err != nil {
			return fmt.Errorf("section %s: %w", s.name, err)
		}
		b.chapters = append(b.chapters, chapter{s, part, time.Since(began)})
	}
	if o.out == "" {
		_, err := io.WriteString(stdout, b.markdown())
		return err
	}
	return b.write(o.out)
}

// choose picks sections by name; no names: all of them.
func choose(all []section, names string) ([]section, error) {
	if names == "" {
		return all, nil
	}
	var chosen []section
	for name := range strings.SplitSeq(names, ",") {
		at := slices.IndexFunc(all, func(s section) bool { return s.name == name })
		if at < 0 {
			return nil, fmt.Errorf("section %q: expected some of %s", name,
				strings.Join(namesOf(all), ", "))
		}
		chosen = append(chosen, all[at])
	}
	return chosen, nil
}

func namesOf(list []section) []string {
	var names []string
	for _, s := range list {
		names = append(names, s.name)
	}
	return names
}
