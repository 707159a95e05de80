package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/picket-project/picket/cmd/sandbox"
	"github.com/picket-project/picket/e2e/launch"
	"github.com/picket-project/picket/ruleset/pace"
)

func main() {
	launch.Main("reliability", func(ctx context.Context, args []string) error {
		o, err := parse(args)
		if err != nil {
			return err
		}
		return o.start(ctx, args)
	})
}

// options are the flags.
type options struct {
	rows    []row
	picket  string // the program that is tested
	backend string // of the agents
	server  string // the program of an API server, for rows that need one
	slower  int    // how many times fewer packets are sent a second
	fewer   int    // and how many times fewer again
	source  string // the repository, for the programs that are built here
	scratch string // folder of everything else; empty: a new one
	short   bool
	build   bool // only build what the rows need, in the scratch folder
	seed    uint64
	soak    time.Duration // of that row
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("reliability", flag.ContinueOnError)
	names := flags.String("rows", "",
		"rows to run, separated by commas, of "+namesOf(rows())+"; without this all but soak and moving-*")
	flags.StringVar(&o.picket, "picket", "bin/picket", "the program that is tested")
	flags.StringVar(&o.backend, "backend", nftables,
		"what holds the agents' rules: "+nftables+" or "+iptables)
	flags.StringVar(&o.server, "apiserver", "",
		"a kube-apiserver with etcd beside it, for the rows moving-*")
	flags.IntVar(&o.slower, "slower", 1,
		"for a slower machine: send so many times fewer packets a second, and give repairs as many times "+
			"longer; 0 is as many as are measured")
	flags.IntVar(&o.fewer, "fewer", 1,
		"for a machine that -slower does not leave idle between them: so many times fewer packets again")
	flags.StringVar(&o.source, "source", ".", "folder of the repository")
	flags.StringVar(&o.scratch, "scratch", "",
		"folder for what is built here and for logs, which stay; without this they go")
	flags.BoolVar(&o.short, "short", false, "fewer faults of each kind")
	flags.BoolVar(&o.build, "build", false, "only build what the rows need, into -scratch")
	flags.Uint64Var(&o.seed, "seed", 1, "of random times and changes")
	flags.DurationVar(&o.soak, "soak", 0,
		"how long the row soak takes; without this 10m, or 20s with -short")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q: expected flags only", flags.Args())
	}
	if o.backend != nftables && o.backend != iptables {
		return o, fmt.Errorf("-backend: %q; expected %s or %s", o.backend, nftables, iptables)
	}
	if o.slower < 0 || o.fewer < 1 {
		return o, fmt.Errorf("-slower: %d, -fewer: %d; expected 0 or more, and 1 or more", o.slower, o.fewer)
	}
	o.rows, err = choose(rows(), *names)
	return o, err
}

// start builds what the rows need, then goes on inside of namespaces of its own, with which
// everything ends.
func (o options) start(ctx context.Context, args []string) (err error) {
	if o.scratch == "" {
		if o.scratch, err = os.MkdirTemp("", "picket-reliability-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.scratch)
	}
	// Programs are built in other folders than this one.
	if o.scratch, err = filepath.Abs(o.scratch); err != nil {
		return err
	}
	if err := os.MkdirAll(o.scratch, 0o755); err != nil {
		return err
	}
	if err := o.compile(ctx); err != nil || o.build {
		return err
	}
	inside, code, err := sandbox.Enter(append(args, "-scratch", o.scratch))
	switch {
	case err != nil:
		return err
	case !inside:
		return launch.ExitCode(code)
	}
	return o.run(ctx, os.Stdout)
}

// compile builds what all rows need, and what the chosen ones do.
func (o options) compile(ctx context.Context) error {
	errs := []error{build(ctx, o.source, o.scratch)}
	for _, r := range o.rows {
		if b, is := r.(built); is {
			errs = append(errs, b.Build(ctx, folders{o.source, o.scratch}))
		}
	}
	return errors.Join(errs...)
}

// run runs the rows and prints the table; it fails with exit code 1 unless all went well.
func (o options) run(ctx context.Context, out io.Writer) error {
	env, err := newEnvironment(o.picket, o.scratch, o.backend)
	if err != nil {
		return err
	}
	env.source, env.short, env.seed, env.soak = o.source, o.short, o.seed, o.soak
	if o.slower == 0 {
		o.slower = pace.Measure().Times()
		fmt.Fprintf(os.Stderr, "measured: %d times slower than a usual machine\n", o.slower)
	}
	env.apiServer, env.slower, env.fewer = o.server, o.slower, o.fewer
	var results []*result
	for _, r := range o.rows {
		fmt.Fprintf(os.Stderr, "%s ...\n", r.Name())
		results = append(results, env.runRow(ctx, r))
		fmt.Fprint(os.Stderr, tabulate(results[len(results)-1:])) // a crash must not lose it
		if ctx.Err() != nil {
			break
		}
	}
	fmt.Fprint(out, tabulate(results))
	if ctx.Err() != nil || !allGood(results) {
		return launch.ExitCode(1)
	}
	return nil
}
