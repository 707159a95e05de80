package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReport(t *testing.T) {
	p := part{text: "Two ways.", heads: []string{"way", "took"},
		chart: &chart{file: "x.svg", title: "Ways"}}
	p.row("one", short(1500*time.Nanosecond))
	p.targets = []target{
		ratioTarget("one / other", 0.5, 0.25, 1.01),
		timeTarget("one", time.Microsecond, 1500*time.Nanosecond, 0.99).because("it is long."),
		timeTarget("other", time.Microsecond, 2*time.Microsecond, 0.99),
	}
	b := report{
		commit: "abc", load: 1.5, began: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
		machine: machine{processor: "abacus", cores: 2, memory: 4 << 30, kernel: "6.18",
			compiler: "go1.26"},
		chapters: []chapter{{section{name: "ways", title: "Ways"}, p, 2 * time.Second}},
	}
	want := `# What Picket costs

Written by ` + "`make bench`" + ` on 2 cores of abacus, 4 GiB, Linux 6.18, go1.26. Each section says when and at which commit it was run.
Before the last run 1.5 processes wanted to run (load average), so others used the machine, too, if that is above 0.
Figures differ by machine; ratios differ less.
All that is compared was done by turns in one run. A/A is the same thing against itself in that run: a ratio that is
no further from 1 means nothing.

|  | figure | target | measured | A/A |  |
| --- | ---: | ---: | ---: | ---: | ---: |
| Ways | one / other | ≤ × 0.50 | × 0.25 | × 1.01 | met |
| Ways | one | ≤ 1 µs | 1.5 µs | × 0.99 | **missed** |
| Ways | other | ≤ 1 µs | 2 µs | × 0.99 | **missed** |

Missed, and why:

- Ways, one: it is long.
- Ways, other: no reason is known.

## Ways

Two ways. It took 2s, on 2026-11-23 at commit abc.

| way | took |
| --- | ---: |
| one | 1.5 µs |

![Ways](x.svg)
`
	if diff := cmp.Diff(want, b.markdown()); diff != "" {
		t.Error(diff)
	}
}

// A run of some sections leaves the others of a report as they are.
func TestOtherSectionsStay(t *testing.T) {
	run := func(commit string, titles ...string) report {
		b := report{commit: commit}
		for _, s := range sections() {
			if slices.Contains(titles, s.title) {
				p := part{text: "As ever.", heads: []string{"way"}}
				p.row("of " + commit)
				p.targets = []target{timeTarget("one", 1, 2, 1).because("of " + commit)}
				b.chapters = append(b.chapters, chapter{s, p, time.Second})
			}
		}
		return b
	}
	const first, second, third = "The first sync", "A decision", "End to end"
	all := run("old", first, second, third)
	if diff := cmp.Diff(all.markdown(), all.onto("")); diff != "" {
		t.Error(diff)
	}
	text := run("new", second).onto(all.markdown())
	parts := strings.SplitAfter(text, "| of ")
	var rows []string
	for _, p := range parts[1:] {
		rows = append(rows, p[:3])
	}
	if got := strings.Join(rows, " "); got != "old new old" || strings.Count(text, "at commit old") != 2 ||
		strings.Count(text, "of new\n") != 1 || strings.Count(text, "of old\n") != 2 {
		t.Errorf("%s\n%s", got, text)
	}
}

func TestFigures(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{short(0), "0 µs"}, {short(12345 * time.Nanosecond), "12.3 µs"},
		{short(12345 * time.Microsecond), "12.3 ms"}, {short(2 * time.Second), "2 s"},
		{times(0.001234), "× 0.0012"}, {times(0.5), "× 0.50"}, {times(1234.5), "× 1,234"},
		{megabytes(27_300), "0.0273 MB"}, {megabytes(38_500_000), "38.5 MB"},
		{megabytes(2_000_000_000), "2 GB"},
		{count(7), "7"}, {count(1000), "1,000"}, {count(1002003), "1,002,003"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, expected %q", c.got, c.want)
		}
	}
}

func TestSamples(t *testing.T) {
	s := samples{5, 1, 4, 2, 3}
	if s.median() != 3 || s.at(0.99) != 5 || s.at(1) != 5 || s.at(0) != 1 || s.sum() != 15 {
		t.Errorf("of %v: median %d, last %d, all %d, first %d, sum %d", s, s.median(), s.at(0.99),
			s.at(1), s.at(0), s.sum())
	}
	if got := s.over(samples{6}); got != 0.5 {
		t.Errorf("over: %v", got)
	}
	if s.over(nil) != 0 || samples(nil).over(s) != 0 || samples(nil).median() != 0 {
		t.Error("what was not measured is not 0")
	}
}

// A program for which one of both kinds of changes costs far more is compared by the mean of both.
func TestUpdatersAreCompared(t *testing.T) {
	u := &updater{added: samples{10, 12, 11}, deleted: samples{1000, 1200, 1100}}
	if u.typical() != 555 || u.slowest() != 1200 {
		t.Errorf("typical %d, slowest %d", u.typical(), u.slowest())
	}
	ours := &updater{added: samples{1}, deleted: samples{3}, p99: samples{7, 9, 8}}
	if got := ours.over(u); got != 2.0/555 || ours.slowest() != 8 {
		t.Errorf("ratio %v, slowest %d", got, ours.slowest())
	}
}

// A slow candidate sits out, a fast one has all its turns.
func TestAlternate(t *testing.T) {
	var order strings.Builder
	take := func(name string, took time.Duration) turn {
		return func() (samples, error) {
			order.WriteString(name)
			return samples{took}, nil
		}
	}
	all, err := alternate(3, 10*time.Second,
		[]turn{take("a", time.Second), take("b", 6*time.Second)})
	if err != nil || order.String() != "abaa" || len(all[0]) != 3 || len(all[1]) != 1 {
		t.Errorf("order %s, %v, %v", &order, all, err)
	}
}

func TestChoose(t *testing.T) {
	all := sections()
	if got, err := choose(all, ""); err != nil || len(got) != len(all) {
		t.Errorf("all: %v, %v", namesOf(got), err)
	}
	if got, err := choose(all, "bulk,events"); err != nil ||
		strings.Join(namesOf(got), ",") != "bulk,events" {
		t.Errorf("two: %v, %v", namesOf(got), err)
	}
	if _, err := choose(all, "speed"); err == nil || !strings.Contains(err.Error(), "events") {
		t.Errorf("an unknown one: %v", err)
	}
}

func TestChartIsDrawn(t *testing.T) {
	l := line{name: "one"}
	l.add(10, int(time.Microsecond))
	l.add(100, int(20*time.Microsecond))
	folder := t.TempDir()
	c := chart{file: "x.svg", title: "Ways", lines: []line{l}}
	if err := c.write(folder); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, c.file))
	for _, want := range []string{"Ways", ">one<", ">10<", ">100<", ">1 µs<", ">100 µs<"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("it does not say %q: %v", want, err)
		}
	}
}
