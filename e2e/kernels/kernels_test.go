package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKernelsNamed(t *testing.T) {
	all, err := kernelsNamed("")
	if err != nil || len(all) != len(kernels) {
		t.Errorf("without names: %v, %v", all, err)
	}
	some, err := kernelsNamed("6.1,newest")
	if err != nil || len(some) != 2 || some[1].suite != "trixie-backports" {
		t.Errorf("two names: %v, %v", some, err)
	}
	if _, err := kernelsNamed("6.1,6.2"); err == nil || !strings.Contains(err.Error(), "5.10, 6.1") {
		t.Errorf("a name that is none: %v", err)
	}
}

// Images for clouds and of real-time kernels are not taken, nor packages that only name another one.
func TestPackageNames(t *testing.T) {
	for name, want := range map[string]string{
		"linux-image-5.10.0-46-amd64":           "5.10.0-46-amd64",
		"linux-image-6.12.57+deb13-amd64":       "6.12.57+deb13-amd64",
		"linux-image-6.1.0-50-cloud-amd64":      "",
		"linux-image-6.1.0-50-rt-amd64":         "",
		"linux-image-6.1.0-50-amd64-dbg":        "",
		"linux-image-6.1.0-50-amd64-unsigned":   "",
		"linux-image-amd64":                     "",
		"linux-image-6.12.57+deb13-cloud-amd64": "",
	} {
		got := ""
		if m := packageName.FindStringSubmatch(name); m != nil {
			got = m[1]
		}
		if got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

const log = `=== RUN   TestA
    features_test.go:26: table_owner: false
    features_test.go:26: bridge_hooks: true
--- PASS: TestA (0.10s)
=== RUN   TestB
    b_test.go:7: the kernel has no SCTP sockets
--- SKIP: TestB (0.00s)
=== RUN   TestC
--- FAIL: TestC (1.00s)
    --- PASS: TestC/one (0.50s)
    --- FAIL: TestC/two (0.50s)
FAIL
`

func TestTestsAreCounted(t *testing.T) {
	var got outcome
	if err := got.count(strings.NewReader(log)); err != nil {
		t.Fatal(err)
	}
	want := outcome{OK: 1, Failed: []string{"TestC", "TestC/two"},
		Skipped:  map[string]string{"TestB": "the kernel has no SCTP sockets"},
		Features: map[string]bool{"table_owner": false, "bridge_hooks": true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

const rowsLog = `tamper-owned ...
ROW           DONE     LEAK  BREAK  RESETS  LONGEST HOLE  FLOOR  LOST BY THE MACHINE  REPAIR  TIME
tamper-owned  SKIPPED  0     0      0       0s            0s     0                            0s
tamper-owned: skipped: the table has no owner on this kernel; Linux 6.9 is needed
ROW           DONE                 LEAK  BREAK  RESETS  LONGEST HOLE  FLOOR  LOST BY THE MACHINE  REPAIR  TIME
tamper-owned  SKIPPED              0     0      0       0s            0s     0                            0s
tamper-free   10 random mutations  0     0      0       1.6s          0s     0                    1.2s    9s
restart       10 kills             1     0      0       1.6s          0s     0                            9s    FAILED
tamper-owned: skipped: the table has no owner on this kernel; Linux 6.9 is needed
tamper-free: note: near > web udp IPv6: sent 576, received 476
    restart   of a longer note        FAILED
`

// A row that was not run is no row that went well.
func TestRowsAreCounted(t *testing.T) {
	got := outcome{Skipped: map[string]string{}}
	if err := got.countRows(strings.NewReader(rowsLog)); err != nil {
		t.Fatal(err)
	}
	want := outcome{OK: 1, Failed: []string{"restart"}, Skipped: map[string]string{
		"tamper-owned": "the table has no owner on this kernel; Linux 6.9 is needed"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What was not run to its end, or ended badly without a word, is no pass.
func TestOutcomesAreRead(t *testing.T) {
	for name, c := range map[string]struct {
		status, log string
		ok          int
		fails       bool
	}{
		"one command":        {"0 1499\n", "hello\n", 1, false},
		"tests":              {"1 2000\n", log, 1, false}, // its failures are in the log
		"no word":            {"124 2000\n", "", 0, true},
		"no test":            {"0 100\n", noTests + "\nPASS\n", 0, true},
		"not run to its end": {"", "", 0, true},
	} {
		dir := t.TempDir()
		if c.status != "" {
			put(t, filepath.Join(dir, "0.status"), c.status)
		}
		put(t, filepath.Join(dir, "0.log"), c.log)
		var got outcome
		if err := got.read(dir, 0); (err != nil) != c.fails || got.OK != c.ok {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Outcomes of a run replace those of an earlier one, in the data, on the page and in the part of the
// operators' page, of which the rest stays.
func TestPagesAreWritten(t *testing.T) {
	root := t.TempDir()
	for _, dir := range []string{"e2e", "deploy"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	put(t, filepath.Join(root, deployFile), "before\n"+deployBegin+"old\n"+deployEnd+"after\n")
	early := outcome{Kernel: "6.1", Release: "6.1.0-49-amd64", Date: "2026-11-01", Check: "nft", OK: 3,
		Failed: []string{"TestX"}, Seconds: 10}
	late := outcome{Kernel: "6.1", Release: "6.1.0-50-amd64", Date: "2026-11-02", Check: "nft", OK: 4,
		Skipped: map[string]string{"TestY": "no owner"}, Seconds: 20, Commit: "bbb", Missing: []string{},
		Features: map[string]bool{"table_owner": false, "bridge_hooks": true}}
	older := outcome{Kernel: "6.1", Release: "6.1.0-50-amd64", Date: "2026-11-01", Check: "demo", OK: 1,
		Commit: "aaa"}
	silent := outcome{Kernel: "newest", Release: "7.3", Date: "2026-11-02", Check: "demo", OK: 1,
		Commit: "bbb", Missing: []string{"sctp"}}
	for _, o := range []outcome{early, late, older, silent} {
		if err := write(root, []outcome{o}); err != nil {
			t.Fatal(err)
		}
	}
	page := read(t, root, pageFile)
	for _, line := range []string{"| nft | the tables are made, read and repaired | 4 (1), 20 s | – |\n",
		"- 6.1: table_owner\n", "- nft, on 6.1, no owner: TestY\n", "## Failed\n\nNone.\n",
		"| 6.1 | 6.1.0-50-amd64 | bookworm |", "| 2026-11-01 to 2026-11-02 | aaa, bbb |\n",
		"- newest: not asked\n", "- 6.1: nothing\n- newest: sctp\n"} {
		if !strings.Contains(page, line) {
			t.Errorf("no %q in\n%s", line, page)
		}
	}
	deploy := read(t, root, deployFile)
	if !strings.HasPrefix(deploy, "before\n") || !strings.HasSuffix(deploy, "after\n") ||
		strings.Contains(deploy, "old") ||
		!strings.Contains(deploy, fmt.Sprintf("| 2 | %d | 5 | 1 | 0 | 2026-11-01 to 2026-11-02 |", checks()-2)) {
		t.Errorf("%s", deploy)
	}
	if err := write(t.TempDir(), nil); err == nil {
		t.Error("written without a page for operators")
	}
}

// checks counts all of them.
func checks() (count int) {
	for _, b := range boots() {
		count += len(b.checks)
	}
	return count
}

func read(t *testing.T, root, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The pages that are committed are those of the data that are.
func TestPagesAreThoseOfTheData(t *testing.T) {
	all, err := readOutcomes("../..")
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, "../..", pageFile); got != all.page() {
		t.Errorf("%s is not what %s says; run make kernels", pageFile, dataFile)
	}
	deploy := read(t, "../..", deployFile)
	if again, err := replaced(deploy, all.deployTable()); err != nil || again != deploy {
		t.Errorf("%s is not what %s says (%v); run make kernels", deployFile, dataFile, err)
	}
}

// runPattern is which tests a check runs.
var runPattern = regexp.MustCompile(`-test\.run '([^']*)'`)

// testName is the head of a test.
var testName = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// Each of the patterns of a check is that of a test: one that was renamed is missed.
func TestPatternsAreThoseOfTests(t *testing.T) {
	for _, b := range boots() {
		for _, c := range b.checks {
			m := runPattern.FindStringSubmatch(c.run)
			if m == nil {
				continue
			}
			for pattern := range strings.SplitSeq(m[1], "|") {
				test, _, _ := strings.Cut(pattern, "/") // what follows is a part of it
				is := regexp.MustCompile(test)
				if !slices.ContainsFunc(testsIn(t, c.dir), is.MatchString) {
					t.Errorf("%s: no test in %s is called like %s", c.name, c.dir, pattern)
				}
			}
		}
	}
}

// testsIn lists the tests of a folder of the repository.
func testsIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		for _, m := range testName.FindAllStringSubmatch(read(t, ".", file), -1) {
			names = append(names, m[1])
		}
	}
	return names
}
