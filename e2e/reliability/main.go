package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
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
		fmt.Fprintln(os.Stderr, "reliability:", err)
	}
	os.Exit(code)
}

// options are the flags.
type options struct {
	rows    []row
	picket  string // the program that is tested
	source  string // the repository, for the programs that are built here
	scratch string // folder of everything else; empty: a new one
	short   bool
	seed    uint64
	soak    time.Duration // of that row
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("reliability", flag.ContinueOnError)
	names := flags.String("rows", "", "rows to run, separated by commas, of "+namesOf(rows())+"; without this all but soak")
	flags.StringVar(&o.picket, "picket", "bin/picket", "the program that is tested")
	flags.StringVar(&o.source, "source", ".", "folder of the repository")
	flags.StringVar(&o.scratch, "scratch", "", "folder for what is built here and for logs, which stay; without this they go")
	flags.BoolVar(&o.short, "short", false, "fewer faults of each kind")
	flags.Uint64Var(&o.seed, "seed", 1, "of the random moments and changes")
	flags.DurationVar(&o.soak, "soak", 0, "how long the row soak takes; without this 10m, or 20s with -short")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q: expected flags only", flags.Args())
	}
	o.rows, err = choose(rows(), *names)
	return o, err
}

// start builds what the rows need, then goes on inside of namespaces of its own, with which everything ends.
func (o options) start(ctx context.Context) (code int, err error) {
	if o.scratch == "" {
		if o.scratch, err = os.MkdirTemp("", "picket-reliability-"); err != nil {
			return 1, err
		}
		defer os.RemoveAll(o.scratch)
	}
	if err := build(ctx, o.source, o.scratch); err != nil {
		return 1, err
	}
	inside, code, err := sandbox.Enter(append(os.Args[1:], "-scratch", o.scratch))
	if !inside || err != nil {
		return code, err
	}
	return o.run(ctx, os.Stdout)
}

// run runs the rows and prints the table; the code says whether all went well.
func (o options) run(ctx context.Context, out io.Writer) (code int, err error) {
	l, err := newEnvironment(o.picket, o.scratch)
	if err != nil {
		return 1, err
	}
	l.source, l.short, l.seed, l.soak = o.source, o.short, o.seed, o.soak
	var results []*result
	for _, r := range o.rows {
		fmt.Fprintf(os.Stderr, "%s ...\n", r.Name())
		results = append(results, l.runRow(ctx, r))
		if ctx.Err() != nil {
			break
		}
	}
	fmt.Fprint(out, tabulate(results))
	if ctx.Err() != nil || !allGood(results) {
		return 1, nil
	}
	return 0, nil
}
