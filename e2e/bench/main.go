package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	o, err := parse(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	code := 1
	if err == nil {
		code, err = o.start(ctx)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
	os.Exit(code)
}

// options are the flags.
type options struct {
	sections []section
	out      string // folder; empty: standard output, without charts
	commit   string
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
}

// The limit is for one comparison, so that all of it ends within half an hour. After two minutes without a reason Go
// collects garbage.
var (
	full = scale{
		pods: []int{1000, 10_000, 100_000}, elements: []int{1000, 10_000, 100_000}, packets: 5000, rounds: 100,
		limit: 40 * time.Second, idle: 125 * time.Second,
	}
	small = scale{
		pods: []int{200, 400, 1000}, elements: []int{10, 100, 1000}, packets: 200, rounds: 3,
		limit: 2 * time.Second, idle: 2 * time.Second,
	}
)

// largest is the last of a list of sizes.
func largest(sizes []int) int { return sizes[len(sizes)-1] }

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	names := flags.String("sections", "", "sections to run, separated by commas, of "+strings.Join(namesOf(sections()), ", ")+"; all of them without this")
	short := flags.Bool("short", false, "small clusters and few rounds: to see that it works")
	flags.StringVar(&o.out, "out", "", "folder for BENCH.md and its charts; without this the tables are printed")
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

// start goes on inside of namespaces of its own, with which everything ends.
func (o options) start(ctx context.Context) (code int, err error) {
	inside, code, err := sandbox.Enter(os.Args[1:])
	if !inside || err != nil {
		return code, err
	}
	if err := o.run(ctx, os.Stdout); err != nil {
		return 1, err
	}
	return 0, nil
}

func (o options) run(ctx context.Context, stdout io.Writer) error {
	b := book{commit: o.commit, machine: thisMachine(), began: time.Now(), load: load()}
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
			return nil, fmt.Errorf("section %q: expected some of %s", name, strings.Join(namesOf(all), ", "))
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
