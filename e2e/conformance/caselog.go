package main

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

// listed is a case of cyclonus as `generate --dry-run` lists it.
type listed struct {
	name string
	tags []string
}

var (
	listedLine = regexp.MustCompile(`^test (#\d+: .*)`)
	tagsLine   = regexp.MustCompile(`^ - tags: (.*)`)
)

// readCases reads a list of cases. Their names are not unique without their numbers.
func readCases(text string) []listed {
	var cases []listed
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := listedLine.FindStringSubmatch(line); m != nil {
			cases = append(cases, listed{name: m[1]})
		} else if m := tagsLine.FindStringSubmatch(" " + line); m != nil && len(cases) > 0 {
			cases[len(cases)-1].tags = strings.Split(m[1], ", ")
		}
	}
	return cases
}

// caseLog reads the log of a run of cyclonus while it is written:
//
//	starting test case #1
//	… msg="running kube probe on try 1"
//	… msg="running kube probe on try 2"        only where the first try was wrong
//	step 1 on all available ports/protocols:
//	Discrepancy found:2 wrong, 9 ignored, 70 correct
//	Actual vs expected (last round): a table
//	finished policy #1
//
// The numbers are of the cases that run, not of all.
type caseLog struct {
	names  []string // of the cases, in the order in which they run
	report func(Case)
	cases  []Case // that are over

	began time.Time
	again int    // steps that were probed a second time
	step  string // whose results are being printed
	wrong []string
	table bool // in a table that belongs to wrong
}

// mark is a line that says something.
type mark struct {
	line *regexp.Regexp
	do   func(l *caseLog, m []string)
}

var marks = []mark{
	{regexp.MustCompile(`^starting test case #\d+`), (*caseLog).start},
	{regexp.MustCompile(`running kube probe on try (\d+)`), (*caseLog).try},
	{regexp.MustCompile(`^(step \d+ on .*):$`), func(l *caseLog, m []string) { l.step = m[1] }},
	{regexp.MustCompile(`^Discrepancy found:(\d+ wrong.*)`), (*caseLog).discrepancy},
	{regexp.MustCompile(`^Actual vs expected \(last round\):`), func(l *caseLog, _ []string) {
		l.table = true
	}},
	{regexp.MustCompile(`^$`), func(l *caseLog, _ []string) { l.table = false }},
	{regexp.MustCompile(`^finished policy #\d+`), (*caseLog).finish},
}

// read reads to the end. It goes on reading after an error, so that who writes is never held up.
func (l *caseLog) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		l.line(lines.Text())
	}
	_, err := io.Copy(io.Discard, r)
	if lines.Err() != nil {
		err = fmt.Errorf("read the log of cyclonus: %w", lines.Err())
	}
	return err
}

func (l *caseLog) line(text string) {
	for _, mark := range marks {
		if m := mark.line.FindStringSubmatch(text); m != nil {
			mark.do(l, m)
			return
		}
	}
	if l.table {
		l.wrong = append(l.wrong, text)
	}
}

func (l *caseLog) start([]string) {
	*l = caseLog{names: l.names, report: l.report, cases: l.cases, began: time.Now()}
}

func (l *caseLog) try(m []string) {
	if m[1] != "1" {
		l.again++
	}
}

func (l *caseLog) discrepancy(m []string) {
	l.wrong = append(l.wrong, l.step+": "+m[1])
}

// finish reports the case that is over. A case beyond the plan shows when the report is compared.
func (l *caseLog) finish([]string) {
	c := Case{Name: l.name(), Outcome: Passed, Time: time.Since(l.began)}
	switch {
	case len(l.wrong) > 0:
		c.Outcome, c.Why = Failed, strings.Join(l.wrong, "\n")
	case l.again > 0:
		c.Flaky, c.Why = true, fmt.Sprintf("steps probed twice, because the first time there "+
			"were wrong results: %d", l.again)
	}
	l.add(c)
}

func (l *caseLog) name() string {
	if len(l.cases) < len(l.names) {
		return l.names[len(l.cases)]
	}
	return fmt.Sprintf("case %d, which was not listed", len(l.cases)+1)
}

func (l *caseLog) add(c Case) {
	l.cases = append(l.cases, c)
	l.report(c)
}

// end reports the cases that the program did not come to.
func (l *caseLog) end(err error) {
	if err == nil {
		err = fmt.Errorf("cyclonus ended without it")
	}
	for len(l.cases) < len(l.names) {
		l.add(Case{Name: l.name(), Outcome: Failed, Why: err.Error()})
	}
}
