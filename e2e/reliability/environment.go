package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/e2e/listing"
)

// environment is what rows run with: programs, a folder and options.
type environment struct {
	picket, next, probe string
	nft, strace         string
	apiServer           string // the program, for rows that need one
	backend             string // of the agents, unless a row says otherwise
	slower              int    // how many times fewer packets are sent a second, and repairs take longer
	fewer               int    // how many times fewer packets again
	source              string // the repository
	dir                 string // of manifests and logs
	short               bool
	seed                uint64
	soak                time.Duration // of that row; zero: its own
}

// newEnvironment finds the programs.
func newEnvironment(picket, scratch, backend string) (*environment, error) {
	scratch, err := filepath.Abs(scratch)
	if err != nil {
		return nil, err
	}
	l := &environment{dir: scratch, slower: 1, fewer: 1, probe: filepath.Join(scratch, probeProgram),
		next: filepath.Join(scratch, nextProgram), seed: 1, backend: backend}
	for _, p := range []struct {
		name string
		path *string
	}{{picket, &l.picket}, {"nft", &l.nft}, {"strace", &l.strace}} {
		path, err := exec.LookPath(p.name)
		if err == nil {
			*p.path, err = filepath.Abs(path)
		}
		if err != nil {
			return nil, err
		}
	}
	return l, nil
}

// runRow runs one row in a sandbox of its own.
func (l *environment) runRow(ctx context.Context, r row) *result {
	began := time.Now()
	ctx, end := context.WithCancel(ctx)
	defer end()
	s := &testbed{env: l, ctx: ctx, report: &report{}, stalls: newStallMeter(ctx)}
	if why := l.inapplicable(r); why != "" {
		s.skip("%s", why)
	} else if err := s.run(r); err != nil {
		s.fault("%v", err)
	}
	if len(s.faults) > 0 {
		s.faults = append(s.faults, s.logEnds()...)
	}
	return &result{row: r.Name(), report: *s.report, tally: s.tally, took: time.Since(began)}
}

// run makes the testbed, injects the row's fault while traffic runs, and compares what is left in
// the end.
func (s *testbed) run(r row) (err error) {
	if err := s.create(r); err != nil {
		return err
	}
	defer s.close()
	if err := s.selfCheck("open", s.flows()); err != nil {
		return err
	}
	if r, is := r.(checkedUnfiltered); is {
		if err := r.CheckUnfiltered(s); err != nil {
			return err
		}
	}
	if r, is := r.(prepared); is {
		if err := r.Prepare(s); err != nil {
			return err
		}
	}
	if err := s.startAgents(); err != nil {
		return err
	}
	traffic, err := s.startTraffic("", s.flows())
	if err != nil {
		return err
	}
	injected := r.Inject(s)
	if err := traffic.stop(); err != nil {
		return errors.Join(injected, err)
	}
	s.tally = traffic.tally()
	if injected != nil {
		return injected
	}
	return s.compareWithFresh()
}

// logEnds returns the last lines of the agents' logs.
func (s *testbed) logEnds() []string {
	var words []string
	for _, a := range s.agents {
		if text, err := os.ReadFile(a.log.Name()); err == nil {
			lines := slices.Collect(strings.Lines(string(text)))
			words = append(words,
				fmt.Sprintf("log of %s, its end:\n%s", a.node,
					listing.Abridged(lines[max(0, len(lines)-4):])))
		}
	}
	return words
}
