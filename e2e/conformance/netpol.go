package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/joshdk/go-junit"
)

// netpol is Kubernetes' own suite, compiled as the binary netpol.test.
type netpol struct {
	binary string
	// dir takes a log and a report for every spec.
	dir string
	// jobs is how many specs run at a time, each in namespaces of its own.
	jobs int
	// want selects specs by name.
	want func(name string) bool
	// noSCTP is the reason to leave SCTP out, or empty.
	noSCTP string
}

func (netpol) Name() string { return "Kubernetes e2e" }

// Plan asks the binary. Without a focus it would leave out every spec of a feature, which is almost
// all of them.
func (s netpol) Plan(ctx context.Context) (Plan, error) {
	tests, err := s.start(ctx, "specs", "--ginkgo.dry-run", "--ginkgo.focus=.")
	if err != nil {
		return Plan{}, err
	}
	var plan Plan
	for _, test := range tests {
		name := specName(test.Name)
		if s.want(name) {
			plan.add(name, s.skip(name))
		}
	}
	slices.Sort(plan.Run)
	slices.SortFunc(plan.Skipped, func(a, b Case) int { return cmp.Compare(a.Name, b.Name) })
	return plan, nil
}

// skip says why a spec cannot run here.
func (s netpol) skip(name string) string {
	if needsSCTP(name) {
		return s.noSCTP
	}
	return ""
}

// needsSCTP reports whether a spec is one of SCTP.
func needsSCTP(name string) bool { return strings.Contains(name, "[Feature:SCTPConnectivity]") }

// specName is a spec's full text, without what a report puts around it: the kind of node, and its
// labels, which are the last pair of brackets.
func specName(reported string) string {
	name := strings.TrimPrefix(reported, "[It] ")
	if i := strings.LastIndex(name, " ["); i >= 0 && strings.HasSuffix(name, "]") {
		name = name[:i]
	}
	return name
}

// Run gives every spec a process of its own: what one breaks in itself, no other one sees.
func (s netpol) Run(ctx context.Context, plan Plan, report func(Case)) error {
	names, done := make(chan string), make(chan Case)
	var workers sync.WaitGroup
	for range s.jobs {
		workers.Go(func() {
			for name := range names {
				done <- s.runSpec(ctx, name)
			}
		})
	}
	go func() {
		feed(ctx, names, plan.Run)
		workers.Wait()
		close(done)
	}()
	for c := range done {
		report(c)
	}
	return ctx.Err()
}

// feed hands out names until there are no more, or it is interrupted.
func feed(ctx context.Context, names chan<- string, all []string) {
	defer close(names)
	for _, name := range all {
		select {
		case names <- name:
		case <-ctx.Done():
			return
		}
	}
}

// runSpec runs one spec. Its name is a suffix of no other's, so that a focus with an end selects it
// alone.
func (s netpol) runSpec(ctx context.Context, name string) Case {
	began := time.Now()
	file := fileName(name)
	tests, err := s.start(ctx, file, "--ginkgo.v", "--ginkgo.focus="+regexp.QuoteMeta(name)+"$")
	i := slices.IndexFunc(tests, func(t junit.Test) bool { return specName(t.Name) == name })
	if i < 0 {
		err = errors.Join(errors.New("the suite says nothing of this spec"), err)
		return Case{Name: name, Outcome: Failed, Why: err.Error(), Time: time.Since(began)}
	}
	c := fromTest(name, tests[i])
	if c.Outcome == Passed && err != nil { // it passed, and what follows the specs did not
		c.Outcome, c.Why = Failed, err.Error()
	}
	if c.Outcome == Failed {
		c.Why += "\nlog: " + file + ".log"
	}
	c.Time = time.Since(began)
	return c
}

// fromTest reads a spec's report. The suite probes all pairs of pods a second time where the first
// time was wrong.
func fromTest(name string, test junit.Test) Case {
	c := Case{Name: name, Outcome: outcome(test), Why: message(test)}
	if c.Outcome == Passed && strings.Contains(test.SystemErr, "(SECOND TRY)") {
		c.Flaky, c.Why = true, "probed twice: the first time there were wrong results"
	}
	return c
}

// start runs the binary to its end and reads its report, which there may be although it failed.
func (s netpol) start(ctx context.Context, file string, flags ...string) ([]junit.Test, error) {
	report := filepath.Join(s.dir, file+".xml")
	log, err := os.Create(filepath.Join(s.dir, file+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	flags = append(flags, "--provider=local", "--kubeconfig="+os.Getenv("KUBECONFIG"),
		"--ginkgo.no-color", "--ginkgo.junit-report="+report)
	cmd := exec.CommandContext(ctx, s.binary, flags...)
	cmd.Stdout, cmd.Stderr = log, log
	gentle(cmd)
	if err = cmd.Run(); err != nil {
		err = fmt.Errorf("run %s, which logged to %s: %w", filepath.Base(s.binary), log.Name(), err)
	}
	tests, readErr := readJUnit(report)
	return tests, errors.Join(err, readErr)
}

var unsafe = regexp.MustCompile(`[^A-Za-z0-9]+`)

// fileName makes a name that a file can have.
func fileName(name string) string { return strings.Trim(unsafe.ReplaceAllString(name, "-"), "-") }
