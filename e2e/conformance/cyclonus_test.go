package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// The cases of the recorded log: two that fail because nothing is enforced, two that pass, the last
// on a second try.
var (
	logged = []string{"#7: egress: deny all", "#183: Create/delete policy",
		"#190: deny all + allow all from same source", "#191: deny all + allow all to same dest"}
	table = `
+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+
|     | X/A | X/B | X/C | Y/A | Y/B | Y/C | Z/A | Z/B | Z/C |
+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+
| x/a | X   | X   | X   | X   | X   | X   | X   | X   | X   |
| x/b | X   | .   | .   | .   | .   | .   | .   | .   | .   |
| x/c | X   | .   | .   | .   | .   | .   | .   | .   | .   |
+-----+-----+-----+-----+-----+-----+-----+-----+-----+-----+`
	wrong = "step 1 on all available ports/protocols: 16 wrong, 9 ignored, 56 correct" + table
	cases = []Case{
		{Name: logged[0], Outcome: Failed, Why: wrong},
		{Name: logged[1], Outcome: Failed, Why: wrong},
		{Name: logged[2], Outcome: Passed},
		{Name: logged[3], Outcome: Passed, Flaky: true,
			Why: "steps probed twice, because the first time there were wrong results: 1"},
	}
	noTime = cmpopts.IgnoreFields(Case{}, "Time")
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCasesOfLog(t *testing.T) {
	text := read(t, "testdata/cyclonus.log")
	half := text[:strings.Index(text, "finished policy #3")]
	never := Case{Outcome: Failed, Why: "killed"}
	for _, test := range []struct {
		name, text string
		want       []Case
	}{
		{"whole", text, cases},
		{"cut off in the third case", half, []Case{cases[0], cases[1], never, never}},
		{"empty", "", []Case{never, never, never, never}},
		{"of a case that was not listed", text + "starting test case #5\nfinished policy #5\n",
			append(cases[:4:4], Case{Name: "case 5, which was not listed", Outcome: Passed})},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []Case
			log := &caseLog{names: logged, report: func(c Case) { got = append(got, c) }}
			if err := log.read(strings.NewReader(test.text)); err != nil {
				t.Fatal(err)
			}
			log.end(errors.New("killed"))
			for i := range test.want {
				if test.want[i].Name == "" {
					test.want[i].Name = logged[i]
				}
			}
			if diff := cmp.Diff(test.want, got, noTime); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLogWithoutLines(t *testing.T) {
	log := &caseLog{report: func(Case) {}}
	if err := log.read(strings.NewReader(strings.Repeat("x", 2<<20))); err == nil {
		t.Error("a line of 2 MiB: no error; expected one")
	}
}

// program stands for cyclonus: it lists the recorded cases, or prints the recorded log and writes
// the recorded report.
func program(t *testing.T, report, status string) cyclonus {
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	kubectl := script(t, "kubectl", `echo "$@" >> `+filepath.Join(t.TempDir(), "calls"))
	t.Setenv("PATH", filepath.Dir(kubectl)+":"+os.Getenv("PATH"))
	binary := script(t, "cyclonus", `case "$*" in *--dry-run*) exec cat `+dir+`/cyclonus-list.txt;; esac
for flag in "$@"; do case $flag in --junit-results-file=*) cp `+dir+`/`+report+` "${flag#*=}" 2>/dev/null;; esac; done
cat `+dir+`/cyclonus.log; exit `+status)
	return cyclonus{binary: binary, dir: t.TempDir(), noSCTP: "no sockets"}
}

func TestPlanOfCases(t *testing.T) {
	plan, err := program(t, "cyclonus.xml", "0").Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []Case{{Name: "#134: any-port,direction,egress,port,protocol,sctp", Outcome: Skipped,
		Why: "no sockets"}}
	if diff := cmp.Diff(want, plan.Skipped); diff != "" || len(plan.Run) != 4 {
		t.Errorf("%d cases to run; expected 4\n%s", len(plan.Run), diff)
	}
	if name := "#17: pods by label + empty ns"; plan.Run[1] != name {
		t.Errorf("second case: %q; expected %q", plan.Run[1], name)
	}
}

func TestRunOfCases(t *testing.T) {
	for _, test := range []struct{ name, report, status, err string }{
		{"report and log agree", "cyclonus.xml", "0", ""},
		{"no report", "missing.xml", "0", "no such file"},
		{"another report", "netpol.xml", "0", "5 cases; expected 4"},
		{"ended early", "cyclonus.xml", "2", "cyclonus ended early: exit status 2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []Case
			s := program(t, test.report, test.status)
			err := s.Run(t.Context(), Plan{Run: logged}, func(c Case) { got = append(got, c) })
			if diff := cmp.Diff(cases, got, noTime); diff != "" {
				t.Error(diff)
			}
			if text := errors.Join(err, errors.New("")).Error(); !strings.Contains(text,
				test.err) || (err != nil) != (test.err != "") {
				t.Errorf("error %v; expected %q", err, test.err)
			}
			if log := read(t, filepath.Join(s.dir, "cyclonus.log")); log != read(t,
				"testdata/cyclonus.log") {
				t.Error("the log was not kept as it was")
			}
		})
	}
}

func TestReportThatDisagrees(t *testing.T) {
	s := program(t, "cyclonus.xml", "0")
	if err := os.WriteFile(s.reportFile(), []byte(read(t, "testdata/cyclonus.xml")),
		0o644); err != nil {
		t.Fatal(err)
	}
	passed := append(cases[:0:0], cases...)
	passed[1].Outcome = Passed
	other := append(cases[:0:0], cases...)
	other[2].Name = "#4: another one"
	for _, cases := range [][]Case{passed, other} {
		if err := s.compare(cases); err == nil {
			t.Errorf("%+v: no error; expected one", cases)
		}
	}
	if err := s.compare(cases); err != nil {
		t.Error(err)
	}
}

func TestFlagsOfCyclonus(t *testing.T) {
	for _, test := range []struct {
		of   cyclonus
		want string
	}{
		{cyclonus{}, "--exclude= --include= --server-protocol=TCP,UDP,SCTP"},
		{cyclonus{noSCTP: "none"}, "--exclude=sctp --include= --server-protocol=TCP,UDP"},
		{cyclonus{onlySCTP: true}, "--exclude= --include=sctp --server-protocol=TCP,UDP,SCTP"},
	} {
		flags := strings.Join(test.of.flags(), " ")
		for part := range strings.FieldsSeq(test.want + " --destination-type=pod-ip") {
			if !strings.Contains(flags+" ", part+" ") {
				t.Errorf("%+v: %s; expected %s", test.of, flags, part)
			}
		}
	}
}

func TestInterruptedCasesAreNotReported(t *testing.T) {
	s := program(t, "cyclonus.xml", "0")
	s.binary = script(t, "cyclonus", "exec sleep 60")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := s.Run(ctx, Plan{Run: logged}, func(c Case) { t.Errorf("%+v; expected nothing", c) })
	if err == nil {
		t.Error("no error; expected one")
	}
}
