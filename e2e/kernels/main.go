package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/picket-project/picket/e2e/launch"
)

func main() {
	launch.Main("kernels", func(ctx context.Context, args []string) error {
		o, err := parse(args)
		if err != nil {
			return err
		}
		return o.start(ctx)
	})
}

// options are the flags.
type options struct {
	kernels []kernel
	checks  *regexp.Regexp // of their names
	quick   bool
	run     string // one command instead of the checks
	append  string // to the kernel's command line, with run
	memory  int    // MiB, with run
	root    string // of the repository
	cache   string
	out     string // folder of logs
	commit  string
	jobs    int  // kernels at once
	write   bool // KERNELS.json, KERNELS.md and deploy/README.md
	pages   bool // only that, from what KERNELS.json has
}

// parse reads the flags.
func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("kernels", flag.ContinueOnError)
	list := flags.String("kernels", "", "some of "+fmt.Sprint(names())+", separated by commas; "+
		"without this all")
	checks := flags.String("checks", "", "regular expression of the checks to run; without this all")
	flags.BoolVar(&o.quick, "quick", false, "only the checks of .ci/run")
	flags.StringVar(&o.run, "run", "", "run this shell command in the repository's folder "+
		"instead of the checks")
	flags.StringVar(&o.append, "append", "", "with -run, more for the kernel's command line, such as "+
		"ipv6.disable=1 or module_blacklist=nf_tables")
	flags.IntVar(&o.memory, "memory", 3072, "with -run, the machine's, in MiB")
	flags.StringVar(&o.root, "root", "..", "folder of the repository")
	flags.StringVar(&o.cache, "cache", os.Getenv("CACHE"), "folder for what is downloaded")
	flags.StringVar(&o.out, "out", "", "folder for logs; without this a new one")
	flags.StringVar(&o.commit, "commit", os.Getenv("VERSION"), "what is checked, for KERNELS.md")
	flags.IntVar(&o.jobs, "jobs", 3, "kernels at once")
	flags.BoolVar(&o.write, "write", false, "write KERNELS.json, KERNELS.md and deploy/README.md")
	flags.BoolVar(&o.pages, "pages", false, "only make the pages anew from KERNELS.json")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q: expected flags only", flags.Args())
	}
	if o.cache == "" {
		return o, errors.New("-cache: expected a folder, here or in the variable CACHE")
	}
	if o.checks, err = regexp.Compile(*checks); err != nil {
		return o, fmt.Errorf("-checks: %w", err)
	}
	if o.kernels, err = kernelsNamed(*list); err != nil {
		return o, fmt.Errorf("-kernels: %w", err)
	}
	if o.root, err = filepath.Abs(o.root); err != nil {
		return o, err
	}
	o.cache, err = filepath.Abs(filepath.Join(o.cache, "kernels"))
	return o, err
}

// start downloads the kernels, then runs one command or the checks under each.
func (o options) start(ctx context.Context) (err error) {
	if o.pages {
		return write(o.root, nil)
	}
	// The machines run programs and files of this one, under kernels for amd64.
	if runtime.GOARCH != "amd64" {
		return fmt.Errorf("this machine is %s, and the kernels are for amd64; expected an amd64 machine",
			runtime.GOARCH)
	}
	o.commit = o.committed(ctx)
	if o.out == "" {
		if o.out, err = os.MkdirTemp("", "kernels-"); err != nil {
			return err
		}
	}
	if o.run == "" {
		if err := o.build(ctx); err != nil {
			return err
		}
	}
	if !hasKVM() {
		fmt.Fprintln(os.Stderr, "no KVM here: instructions are translated, which is ten times slower; "+
			"all checks take some hours a kernel")
	}
	images := make([]image, len(o.kernels))
	for n, k := range o.kernels {
		if images[n], err = k.fetch(ctx, o.cache); err != nil {
			return err
		}
	}
	if o.run != "" {
		return o.runEach(ctx, images)
	}
	return o.checkEach(ctx, images)
}

// committed is the commit that is checked. Where only the files that this program writes differ from
// it, it is no less that commit.
func (o options) committed(ctx context.Context) string {
	args := []string{"-C", o.root, "diff", "--quiet", "HEAD", "--", "."}
	for _, own := range []string{dataFile, pageFile, deployFile} {
		args = append(args, ":(exclude)"+own)
	}
	if exec.CommandContext(ctx, "git", args...).Run() != nil {
		return o.commit
	}
	return strings.TrimSuffix(o.commit, "-dirty")
}

// runEach runs one command under each kernel, up to the first that fails.
func (o options) runEach(ctx context.Context, images []image) error {
	for n, k := range o.kernels {
		m := machine{image: images[n], dir: o.root, memory: o.memory, limit: 2 * time.Hour,
			append: o.append}
		code, err := m.run(ctx, o.run, filepath.Join(o.out, k.name), os.Stdout)
		if err != nil {
			return fmt.Errorf("kernel %s: %w", k.name, err)
		}
		if code != 0 {
			return launch.ExitCode(code)
		}
	}
	return nil
}

// checkEach runs the checks under each kernel, some kernels at once, and writes down what each
// machine says when it has ended. Its error says that some failed.
func (o options) checkEach(ctx context.Context, images []image) error {
	var failed atomic.Bool
	var writing sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.jobs)
	for n, k := range o.kernels {
		group.Go(func() error {
			for _, b := range boots() {
				list, err := o.runBoot(ctx, k, images[n], b)
				if err != nil {
					return err
				}
				for _, found := range list {
					failed.Store(failed.Load() || !found.Passed())
				}
				if err := o.keep(&writing, list); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil || !failed.Load() {
		return err
	}
	return fmt.Errorf("a check failed; logs in %s", o.out)
}

// keep writes outcomes into the files for people, if that was asked for.
func (o options) keep(writing *sync.Mutex, list []outcome) error {
	if !o.write {
		return nil
	}
	writing.Lock()
	defer writing.Unlock()
	// Another process may be at the same files.
	unlock, err := lockCache(o.cache)
	if err != nil {
		return err
	}
	defer unlock()
	return write(o.root, list)
}
