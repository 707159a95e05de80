package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// outcome is what one check said under one kernel.
type outcome struct {
	Kernel  string `json:"kernel"`  // as people call it: 6.1
	Release string `json:"release"` // as uname does
	Date    string `json:"date"`    // 2006-01-02
	Commit  string `json:"commit"`
	Check   string `json:"check"`
	Seconds int    `json:"seconds"`
	OK      int    `json:"ok"` // tests that passed; a check without tests is one
	// Failed and Skipped are tests by name, with the reason for which they were skipped.
	Failed  []string          `json:"failed,omitempty"`
	Skipped map[string]string `json:"skipped,omitempty"`
	// Features are what the kernel can do, where that was asked.
	Features map[string]bool `json:"features,omitempty"`
	// Missing are modules of wanted that did not load where nothing is taken away; nil: not known.
	Missing []string `json:"missing,omitzero"`
}

// Passed reports whether nothing failed.
func (o outcome) Passed() bool { return len(o.Failed) == 0 }

// runBoot boots one machine and runs its checks, if any are chosen.
func (o options) runBoot(ctx context.Context, k kernel, i image, b boot) ([]outcome, error) {
	checks := o.chosen(b)
	if len(checks) == 0 {
		return nil, nil
	}
	out := filepath.Join(o.out, k.name+b.suffix())
	m := machine{image: i, dir: o.root, memory: b.memory, append: b.append, limit: 2 * time.Minute}
	script := o.prelude()
	for n, c := range checks {
		m.limit += c.limit
		script += fmt.Sprintf("check %d %s %d %s\n", n, quote(c.dir), int(c.limit.Seconds()), quote(c.command(o.quick)))
	}
	if err := os.RemoveAll(out); err != nil {
		return nil, err
	}
	name := k.name + b.suffix()
	fmt.Printf("%s: %s\n", name, i.release)
	missing := []string{}
	lines := &lineWriter{show: func(line string) {
		if module, is := strings.CutPrefix(line, noModule); is {
			missing = append(missing, module)
		}
		showProgress(name, line, checks)
	}}
	_, runErr := m.run(ctx, script, out, lines)
	if runErr != nil && !errors.Is(runErr, errUnfinished) {
		return nil, runErr
	}
	var list []outcome
	for n, c := range checks {
		found := outcome{Kernel: k.name, Release: i.release, Date: time.Now().Format(time.DateOnly),
			Commit: o.commit, Check: c.name}
		if b.name == "" && runErr == nil {
			found.Missing = missing
		}
		if err := found.read(out, n); err != nil {
			fmt.Printf("%s %s: %v\n", name, c.name, errors.Join(runErr, err))
			found.Failed = append(found.Failed, fmt.Sprintf("%s: %v", c.name, err))
		}
		fmt.Printf("%s %s: %s\n", k.name, c.name, found.summary())
		list = append(list, found)
	}
	return list, nil
}

// suffix tells the machines of one kernel apart in names of folders.
func (b boot) suffix() string {
	if b.name == "" {
		return ""
	}
	return "-" + strings.ReplaceAll(b.name, " ", "-")
}

// chosen are the checks of a machine that were asked for.
func (o options) chosen(b boot) (list []check) {
	for _, c := range b.checks {
		if o.checks.MatchString(c.name) && (c.quick || !o.quick) {
			list = append(list, c)
		}
	}
	return list
}

// noModule is before the name of a module that does not load.
const noModule = "no module "

// prelude is the shell's function check NUMBER DIR SECONDS COMMAND, which keeps what a command
// prints, how it ends, and how long it takes in milliseconds.
func (o options) prelude() string {
	return fmt.Sprintf(`export BIN=%s
for m in %s; do modprobe $m 2>/dev/null || echo "%s$m"; done
check() {
	local began=$(date +%%s%%3N)
	(cd "$2" && timeout -k 5 "$3" bash -c "$4") >$OUT/$1.log 2>&1
	echo "$? $(($(date +%%s%%3N) - began))" >$OUT/$1.status
	echo "check $1 $(cat $OUT/$1.status)"
}
`, quote(filepath.Join(o.root, "bin", "kernels")), wanted, noModule)
}

// showProgress prints what a machine said. That a check has ended is told later, with its tests.
func showProgress(machine, line string, checks []check) {
	var n, code, took int
	if _, err := fmt.Sscanf(line, "check %d %d %d", &n, &code, &took); err == nil && n < len(checks) {
		line = fmt.Sprintf("%s ended with %d after %.1f s", checks[n].name, code, float64(took)/1000)
	}
	fmt.Printf("%s: %s\n", machine, line)
}

// lineWriter gives each whole line that is written to it to a function.
type lineWriter struct {
	rest []byte
	show func(line string)
}

func (w *lineWriter) Write(text []byte) (int, error) {
	w.rest = append(w.rest, text...)
	for {
		at := bytes.IndexByte(w.rest, '\n')
		if at < 0 {
			return len(text), nil
		}
		w.show(string(w.rest[:at]))
		w.rest = w.rest[at+1:]
	}
}

// read takes over what a machine kept of its check with that number.
func (o *outcome) read(out string, number int) error {
	status, err := os.ReadFile(filepath.Join(out, fmt.Sprintf("%d.status", number)))
	if err != nil {
		return errors.New("it was not run to its end")
	}
	var code, took int
	if _, err := fmt.Sscan(string(status), &code, &took); err != nil {
		return fmt.Errorf("status %q: %w", status, err)
	}
	o.Seconds = (took + 500) / 1000
	log, err := os.ReadFile(filepath.Join(out, fmt.Sprintf("%d.log", number)))
	if err != nil {
		return err
	}
	if err := errors.Join(o.count(bytes.NewReader(log)), o.countRows(bytes.NewReader(log))); err != nil {
		return err
	}
	if code == 0 && o.OK == 0 && len(o.Skipped) == 0 {
		o.OK = 1
	}
	if code != 0 && len(o.Failed) == 0 {
		return fmt.Errorf("exit code %d", code)
	}
	return nil
}

// verdictLine is how a test of Go ends, those inside of others indented.
var verdictLine = regexp.MustCompile(`^( *)--- (PASS|FAIL|SKIP): (\S+)`)

// reasonLine is what a test of Go says, behind the place in its source.
var reasonLine = regexp.MustCompile(`^ +\S+_test\.go:\d+: (.*)`)

// featureLine is how a test says whether the kernel has a feature.
var featureLine = regexp.MustCompile(`^ +features_test\.go:\d+: (\w+): (true|false)$`)

// noTests is what a program of tests says whose patterns are no test's.
const noTests = "testing: warning: no tests to run"

// longestLine is how long a line of a log may be, in bytes.
const longestLine = 16 << 20

// The table of reliability has a line a row between its head and what the rows say. A line says first
// that a row was not run, and last that it failed.
var (
	tableHead = regexp.MustCompile(`^ROW +DONE `)
	tableLine = regexp.MustCompile(`^(\S+)  +(SKIPPED)?.*?(FAILED)?\s*$`)
	rowReason = regexp.MustCompile(`^(\S+): skipped: (.*)`)
)

// countRows reads what reliability prints: each row is a test.
func (o *outcome) countRows(log io.Reader) error {
	inTable := false
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		if m := rowReason.FindStringSubmatch(lines.Text()); m != nil {
			o.Skipped[m[1]] = m[2]
		}
		m := tableLine.FindStringSubmatch(lines.Text())
		switch {
		case tableHead.MatchString(lines.Text()):
			// The table is printed after each row, the last time with all.
			inTable, o.OK, o.Failed = true, 0, nil
		case m == nil:
			inTable = false
		case inTable && m[3] != "":
			o.Failed = append(o.Failed, m[1])
		case inTable && m[2] == "":
			o.OK++
		}
	}
	return lines.Err()
}

// count reads what tests of Go print. That there is no test is an error.
func (o *outcome) count(log io.Reader) error {
	o.Skipped, o.Features = map[string]string{}, map[string]bool{}
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, longestLine)
	said := "" // last by a test
	for lines.Scan() {
		if lines.Text() == noTests {
			return errors.New("no test is called as the check says")
		}
		if m := featureLine.FindStringSubmatch(lines.Text()); m != nil {
			o.Features[m[1]] = m[2] == "true"
		}
		if m := reasonLine.FindStringSubmatch(lines.Text()); m != nil {
			said = m[1]
		}
		m := verdictLine.FindStringSubmatch(lines.Text())
		switch {
		case m == nil:
		case m[2] == "FAIL":
			o.Failed = append(o.Failed, m[3])
		case m[2] == "SKIP":
			o.Skipped[m[3]] = said
		case m[1] == "":
			o.OK++
		}
	}
	return lines.Err()
}

// summary is the outcome in a few words.
func (o outcome) summary() string {
	text := fmt.Sprintf("%d ok", o.OK)
	if n := len(o.Skipped); n > 0 {
		text += fmt.Sprintf(", %d skipped", n)
	}
	if n := len(o.Failed); n > 0 {
		text += fmt.Sprintf(", %d FAILED: %s", n, strings.Join(o.Failed, ", "))
	}
	return fmt.Sprintf("%s, %d s", text, o.Seconds)
}
