package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// The product's packages whose Go benchmarks the sections run.
const (
	samplePackage = "controller/samplecluster"
	nftPackage    = "nft"
	legacyPackage = "nft/iptables"
)

// goBenchmarks is a folder of compiled tests of the product's packages.
type goBenchmarks struct{ folder string }

// program is the compiled test of a package.
func (g goBenchmarks) program(pkg string) string {
	return filepath.Join(g.folder, strings.ReplaceAll(pkg, "/", "-")+".test")
}

// build compiles the tests, unless they are there.
func (g goBenchmarks) build(ctx context.Context) error {
	for _, pkg := range []string{samplePackage, nftPackage, legacyPackage} {
		if _, err := os.Stat(g.program(pkg)); err == nil {
			continue
		}
		cmd := exec.CommandContext(ctx, "go", "test", "-c", "-o", g.program(pkg), "./"+pkg)
		cmd.Dir = ".." // the product's module beside this one
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build the benchmarks of %s: %w\n%s", pkg, err, out)
		}
	}
	return nil
}

// goBenchmark is one or several Go benchmarks of a package.
type goBenchmark struct {
	pkg     string
	pattern string // as for -test.bench
	times   int    // of each benchmark
	short   bool   // with small clusters
}

// run runs benchmarks once, in a process of their own, and adds their figures.
func (g goBenchmarks) run(ctx context.Context, b goBenchmark, into *goFigures) error {
	cmd := exec.CommandContext(ctx, g.program(b.pkg), "-test.run=^$", "-test.bench="+b.pattern,
		fmt.Sprintf("-test.benchtime=%dx", b.times), fmt.Sprintf("-test.short=%t", b.short))
	out, err := cmd.CombinedOutput()
	if err == nil {
		err = into.read(string(out))
	}
	if err != nil {
		return fmt.Errorf("benchmark %s of %s: %w\n%s", b.pattern, b.pkg, err, out)
	}
	return nil
}

// byRounds runs benchmarks some times, one process after the other, until the time is up.
func (g goBenchmarks) byRounds(
	ctx context.Context, b goBenchmark, rounds int, limit time.Duration,
) (*goFigures, error) {
	all := &goFigures{}
	for began := time.Now(); rounds > 0; rounds-- {
		if err := g.run(ctx, b, all); err != nil {
			return nil, err
		}
		if time.Since(began) > limit && len(all.of(all.names[0], "times")) > 1 {
			break // two rounds make an A/A
		}
	}
	return all, nil
}

// goFigures are what Go benchmarks have printed, round by round.
type goFigures struct {
	names  []string // of the benchmarks, without "Benchmark", in their order
	rounds map[string]map[string][]float64
}

// resultLine is a line such as "BenchmarkX/pods=10-2   5   22192 ns/op   2.000 sets"; the number
// behind the name is that of the processors.
var resultLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+(\d+)\s+(.*)$`)

// read adds a round from the output of a test program. The number of iterations has the unit
// "times".
func (f *goFigures) read(output string) error {
	found := 0
	for lines := bufio.NewScanner(strings.NewReader(output)); lines.Scan(); {
		parts := resultLine.FindStringSubmatch(lines.Text())
		if parts == nil {
			continue
		}
		found++
		name := strings.ReplaceAll(parts[1], "_", " ")
		f.add(name, "times", parts[2])
		for words := strings.Fields(parts[3]); len(words) >= 2; words = words[2:] {
			f.add(name, words[1], words[0])
		}
	}
	if found == 0 {
		return errors.New("it has printed no figures")
	}
	return nil
}

func (f *goFigures) add(name, unit, figure string) {
	if f.rounds == nil {
		f.rounds = map[string]map[string][]float64{}
	}
	if f.rounds[name] == nil {
		f.names = append(f.names, name)
		f.rounds[name] = map[string][]float64{}
	}
	value, _ := strconv.ParseFloat(figure, 64) // an unreadable one counts as 0
	f.rounds[name][unit] = append(f.rounds[name][unit], value)
}

// of returns a figure of a benchmark, one for each round.
func (f *goFigures) of(name, unit string) []float64 { return f.rounds[name][unit] }

// times returns a figure that is a time in nanoseconds.
func (f *goFigures) times(name, unit string) (s samples) {
	for _, ns := range f.of(name, unit) {
		s = append(s, time.Duration(ns))
	}
	return s
}

// last returns a figure of the last round, for what is the same in all rounds.
func (f *goFigures) last(name, unit string) int {
	all := f.of(name, unit)
	if len(all) == 0 {
		return 0
	}
	return int(all[len(all)-1])
}

// iterations is how often a benchmark has done what it measures, in all rounds.
func (f *goFigures) iterations(name string) (sum int) {
	for _, n := range f.of(name, "times") {
		sum += int(n)
	}
	return sum
}

// namesBelow returns the names of the benchmarks below one, without its own.
func namesBelow(f *goFigures, prefix string) (names []string) {
	for _, name := range f.names {
		if rest, below := strings.CutPrefix(name, prefix); below {
			names = append(names, rest)
		}
	}
	return names
}
