package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// report is BENCH.md.
type report struct {
	commit   string
	machine  machine
	began    time.Time
	load     float64 // then
	chapters []chapter
}

// chapter is a section with what it has found.
type chapter struct {
	section
	part
	took time.Duration
}

const preface = `# What Picket costs

Written by ` + "`make bench`" + ` on %s. Each section says when and at which commit it was run.
Before the last run %.1f processes wanted to run (load average), so others used the machine, too, if that is above 0.
Figures differ by machine; ratios differ less.
All that is compared was done by turns in one run. A/A is the same thing against itself in that run: a ratio that is
no further from 1 means nothing.

`

// markdown prints all of it: the targets first.
func (b report) markdown() string {
	var text strings.Builder
	fmt.Fprintf(&text, preface, b.machine, b.load)
	var rows [][]string
	for _, c := range b.chapters {
		for _, t := range c.targets {
			rows = append(rows, []string{c.title, t.what, t.bound, t.figure, times(t.again),
				t.outcome()})
		}
	}
	table(&text, []string{"", "figure", "target", "measured", "A/A", ""}, rows)
	b.misses(&text)
	for _, c := range b.chapters {
		c.markdown(&text, b.began.UTC().Format(time.DateOnly)+" at commit "+b.commit)
	}
	return text.String()
}

// missesHead is above the reasons of what is missed.
const missesHead = "\nMissed, and why:\n\n"

// misses says why what is missed is.
func (b report) misses(text *strings.Builder) {
	head := missesHead
	for _, c := range b.chapters {
		for _, t := range c.targets {
			if t.met {
				continue
			}
			fmt.Fprintf(text, "%s- %s, %s: %s\n", head, c.title, t.what,
				cmp.Or(t.reason, "no reason is known."))
			head = ""
		}
	}
}

// markdown prints a chapter; when is its day and commit.
func (c chapter) markdown(text *strings.Builder, when string) {
	fmt.Fprintf(text, "\n## %s\n\n%s It took %v, on %s.\n\n", c.title, strings.TrimSpace(c.text),
		c.took.Round(time.Second), when)
	table(text, c.heads, c.rows)
	if c.chart != nil {
		fmt.Fprintf(text, "\n![%s](%s)\n", c.chart.title, c.chart.file)
	}
}

// table prints one; its first column is words, the others are figures.
func table(text *strings.Builder, heads []string, rows [][]string) {
	line := func(cells []string) { fmt.Fprintf(text, "| %s |\n", strings.Join(cells, " | ")) }
	line(heads)
	rule := make([]string, len(heads))
	for i := range rule {
		rule[i] = "---:"
	}
	rule[0] = "---"
	line(rule)
	for _, r := range rows {
		line(r)
	}
}

// write replaces the chapters of BENCH.md and the charts in a folder. What was not run stays.
func (b report) write(folder string) error {
	file := filepath.Join(folder, "BENCH.md")
	earlier, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	errs := []error{os.WriteFile(file, []byte(b.onto(string(earlier))), 0o644)}
	for _, c := range b.chapters {
		if c.chart != nil {
			errs = append(errs, c.chart.write(folder))
		}
	}
	return errors.Join(errs...)
}
