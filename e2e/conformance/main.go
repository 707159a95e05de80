package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/e2e/launch"
)

func main() {
	launch.Main("conformance", func(ctx context.Context, args []string) error {
		o, err := parse(args)
		if err != nil {
			return err
		}
		return o.run(ctx, os.Stdout)
	})
}

// run runs the suites one after the other and writes what they said. Its error says that something
// failed.
func (o options) run(ctx context.Context, out io.Writer) error {
	dir, err := o.logDir()
	if err != nil {
		return err
	}
	var rows []Row
	var failed error
	for _, suite := range o.suites(dir) {
		row, err := o.runSuite(ctx, suite, out)
		if err != nil {
			return err
		}
		if row.Failed > 0 {
			failed = fmt.Errorf("%d of %s failed, logs in %s", row.Failed, row.Suite, dir)
		}
		rows = append(rows, row)
	}
	if o.results == "" || o.partial() {
		return failed
	}
	return errors.Join(failed, write(o.results, rows))
}

// runSuite runs one suite. What goes wrong with a suite itself counts as a failure, and an
// interruption as no result.
func (o options) runSuite(ctx context.Context, s Suite, out io.Writer) (Row, error) {
	began := time.Now()
	plan, err := s.Plan(ctx)
	if err != nil {
		return Row{}, err
	}
	if len(plan.Run) == 0 {
		return Row{}, fmt.Errorf("%s: no case is selected", s.Name())
	}
	row := Row{Date: began.Format(time.DateOnly), Commit: o.commit, Kernel: kernel(),
		Kubernetes: o.kubernetes, Variant: o.variant, Suite: s.Name()}
	p := progress{out: out, total: len(plan.Run)}
	fmt.Fprintf(out, "%s: %d cases, %d skipped\n", s.Name(), len(plan.Run), len(plan.Skipped))
	report := func(c Case) {
		row.count(c)
		p.print(c)
	}
	for _, c := range plan.Skipped {
		row.count(c)
	}
	err = s.Run(ctx, plan, report)
	if ctx.Err() != nil {
		return Row{}, errors.Join(errors.New("interrupted, nothing is written"), err)
	}
	if err != nil {
		report(Case{Name: "the suite itself", Outcome: Failed, Why: err.Error()})
	}
	row.finish(time.Since(began))
	fmt.Fprintf(out, "%s: %s, %s\n", s.Name(), row.Summary(), time.Since(began).Round(time.Second))
	return row, nil
}

// progress prints a line for every case that is over.
type progress struct {
	out         io.Writer
	done, total int
}

func (p *progress) print(c Case) {
	p.done++
	what := string(c.Outcome)
	if c.Flaky {
		what = "flaky"
	}
	fmt.Fprintf(p.out, "%3d/%d %-7s %4.0fs  %s\n", p.done, p.total, what, c.Time.Seconds(), c.Name)
	if c.Why != "" {
		fmt.Fprintln(p.out, c.Why)
	}
}

// suites are those whose programs were named.
func (o options) suites(dir string) []Suite {
	noSCTP := withoutSCTP()
	var all []Suite
	if o.netpol != "" {
		all = append(all, netpol{binary: o.netpol, dir: dir, jobs: o.jobs, want: o.want(),
			noSCTP: noSCTP})
	}
	if o.cyclonus != "" && !o.partial() {
		all = append(all, cyclonus{binary: o.cyclonus, dir: dir, onlySCTP: o.sctp, noSCTP: noSCTP})
	}
	return all
}

// logDir makes the folder of logs and reports.
func (o options) logDir() (string, error) {
	if o.logs == "" {
		return os.MkdirTemp("", "conformance-")
	}
	return o.logs, os.MkdirAll(o.logs, 0o755)
}

// kernel is the release of the running kernel.
func kernel() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err.Error()
	}
	return unix.ByteSliceToString(name.Release[:])
}

// found reports whether a program can be run.
func found(program string) error {
	if program == "" {
		return nil
	}
	_, err := exec.LookPath(program)
	return err
}
