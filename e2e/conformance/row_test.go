package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden file anew")

// row counts cases of a variant.
func row(variant, suite string, cases ...Case) Row {
	r := Row{Date: "2026-11-22", Commit: "35ddb07", Kernel: "6.18.44",
		Kubernetes: "1.37.2", Variant: variant, Suite: suite}
	for _, c := range cases {
		r.count(c)
	}
	r.finish(90 * time.Second)
	return r
}

func TestRowCounts(t *testing.T) {
	flaky := Case{Name: "b", Outcome: Passed, Flaky: true, Why: "twice"}
	bad, skipped := Case{Name: "c", Outcome: Failed}, Case{Name: "a", Outcome: Skipped}
	got := row("v", "s", Case{Name: "d", Outcome: Passed}, bad, flaky, skipped)
	want := Row{Date: "2026-11-22", Commit: "35ddb07", Kernel: "6.18.44",
		Kubernetes: "1.37.2", Variant: "v", Suite: "s",
		Passed: 2, Failed: 1, Skipped: 1, Flaky: 1, Seconds: 90, Notable: []Case{skipped, flaky,
			bad}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text := got.Summary(); text != "2 passed, 1 failed, 1 skipped, 1 flaky" {
		t.Error(text)
	}
}

func TestRowsAreReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "RESULTS.md")
	good, bad := Case{Name: "a", Outcome: Passed}, Case{Name: "a", Outcome: Failed, Why: "wrong"}
	for _, rows := range [][]Row{
		{row("v1", "s1", bad), row("v1", "s2", good)},
		{row("v2", "s1", good)},
		{row("v1", "s1", good)},
	} {
		if err := write(file, rows); err != nil {
			t.Fatal(err)
		}
	}
	older := row("v1", "s1", good)
	older.Kubernetes = "1.36.9"
	if err := write(file, []Row{older}); err != nil {
		t.Fatal(err)
	}
	if err := write(file, []Row{row("v1", "s1", good)}); err != nil {
		t.Fatal(err)
	}
	got, err := readResults(strings.TrimSuffix(file, ".md") + ".json")
	want := results{row("v1", "s1", good), row("v1", "s2", good), row("v2", "s1", good), older}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if text := read(t, file); strings.Contains(text, "wrong") ||
		!strings.Contains(text, "| v2 | s1 | 1 | 0 |") {
		t.Error(text)
	}
}

func TestDamagedResults(t *testing.T) {
	dir := t.TempDir()
	err := os.WriteFile(filepath.Join(dir, "RESULTS.json"), []byte("{"), 0o644)
	if err = errors.Join(err, write(filepath.Join(dir, "RESULTS.md"), nil)); err == nil {
		t.Error("no error; expected one")
	}
}

func TestMarkdown(t *testing.T) {
	sctp := func(name string) Case {
		return Case{Name: name, Outcome: Skipped, Why: "the kernel has no SCTP sockets"}
	}
	slow := Case{Name: "slow", Outcome: Passed, Flaky: true, Why: "probed twice"}
	bad := Case{Name: "bad", Outcome: Failed, Why: "step 1: 2 wrong\n| a | X |\n```"}
	got := results{
		row("IPv4", "Kubernetes e2e", Case{Outcome: Passed}, sctp("one"), sctp("two")),
		row("IPv4", "cyclonus", sctp("#1: egress"), slow),
		row("dual", "Kubernetes e2e", bad, sctp("one"), sctp("two")),
	}.markdown()
	golden := "testdata/RESULTS.md"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, golden), got); diff != "" {
		t.Error(diff)
	}
	if text := (results{row("v", "s")}).markdown(); strings.Count(text, "None.") != 3 {
		t.Errorf("%s\nexpected nothing in three sections", text)
	}
}
