package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// given is a suite that reports what it is told to.
type given struct {
	plan  Plan
	cases []Case
	err   error
}

func (given) Name() string                         { return "given" }
func (g given) Plan(context.Context) (Plan, error) { return g.plan, nil }
func (g given) Run(_ context.Context, _ Plan, report func(Case)) error {
	for _, c := range g.cases {
		report(c)
	}
	return g.err
}

func TestRunSuite(t *testing.T) {
	g := given{
		plan: Plan{Run: []string{"a", "b"}, Skipped: []Case{{Name: "c", Outcome: Skipped,
			Why: "so"}}},
		cases: []Case{{Name: "a", Outcome: Passed}, {Name: "b", Outcome: Failed, Why: "2 wrong"}},
	}
	var out strings.Builder
	row, err := options{variant: "v", commit: "r"}.runSuite(t.Context(), g, &out)
	if err != nil || row.Passed != 1 || row.Failed != 1 || row.Skipped != 1 || row.Variant != "v" ||
		row.Commit != "r" {
		t.Errorf("%+v, %v", row, err)
	}
	want := `given: 2 cases, 1 skipped
  1/2 passed     0s  a
  2/2 failed     0s  b
2 wrong
given: 1 passed, 1 failed, 1 skipped, 0s
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestRunSuiteThatGoesWrong(t *testing.T) {
	g := given{plan: Plan{Run: []string{"a"}}, cases: []Case{{Name: "a", Outcome: Passed}},
		err: errors.New("out of memory")}
	row, err := options{}.runSuite(t.Context(), g, &strings.Builder{})
	if err != nil || row.Passed != 1 || row.Failed != 1 || row.Notable[0].Why != "out of memory" {
		t.Errorf("%+v, %v; expected the suite itself as a failure", row, err)
	}
	if _, err = (options{}).runSuite(t.Context(), given{}, &strings.Builder{}); err == nil {
		t.Error("nothing to run: no error; expected one")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = (options{}).runSuite(ctx, g, &strings.Builder{}); err == nil {
		t.Error("interrupted: no error; expected one")
	}
}

// Both suites from the command line to RESULTS.md, with programs that answer as recorded.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "RESULTS.md")
	list := strings.TrimSuffix(specs, "support ")
	o := options{
		variant: "v", commit: "r", results: file, logs: filepath.Join(dir, "logs"), jobs: 1,
		netpol: recorded(t, "0").binary, cyclonus: program(t, "cyclonus.xml", "0").binary,
	}
	if err := o.run(t.Context(), &strings.Builder{}); err == nil {
		t.Error("no error; expected one: the recorded specs fail")
	}
	// What cyclonus is said to run is not what its recorded log holds.
	for _, line := range []string{"| v | Kubernetes e2e | ", "| v | cyclonus | ",
		"Had 24 wrong results", list, "report of cyclonus"} {
		if text := read(t, file); !strings.Contains(text, line) {
			t.Errorf("%s\nexpected: %s", text, line)
		}
	}
	o.focus, o.results = "endport", filepath.Join(dir, "other.md")
	if err := o.run(t.Context(), &strings.Builder{}); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(o.results); err == nil {
		t.Error("a part of a suite was written down")
	}
}

func TestValidate(t *testing.T) {
	t.Setenv("KUBECONFIG", "/a")
	good := []string{"-netpol=true", "-cyclonus=true", "-variant=v", "-commit=c",
		"-kubernetes=1.37.2", "-results=R.md"}
	for _, test := range []struct{ flags, err string }{
		{strings.Join(good, " "), ""},
		{strings.Join(good, " ") + " -focus=a|b", ""},
		{"-netpol=true -smoke", ""},
		{"-variant=v", "no suite"},
		{"-netpol=true -results=R.md", "-results needs -variant, -commit and -kubernetes"},
		{"-cyclonus=true -smoke", "select specs of -netpol"},
		{"-netpol=true -focus=(", "missing closing"},
		{"-netpol=true -jobs=0", "-jobs 0; expected at least 1"},
		{"-netpol=/nowhere", "no such file"},
		{"-netpol", "flag needs an argument"},
	} {
		_, err := parse(strings.Fields(test.flags))
		if (err == nil) != (test.err == "") ||
			(err != nil && !strings.Contains(err.Error(), test.err)) {
			t.Errorf("%s: %v; expected %q", test.flags, err, test.err)
		}
	}
	t.Setenv("KUBECONFIG", "")
	if _, err := parse(good); err == nil {
		t.Error("without KUBECONFIG: no error; expected one")
	}
}

func TestWant(t *testing.T) {
	for _, test := range []struct {
		o    options
		name string
		want bool
	}{
		{options{}, "a", true},
		{options{focus: "^b"}, "a", false},
		{options{smoke: true}, "a", false},
		{options{smoke: true}, smoke[0], true},
		{options{smoke: true, focus: "^b"}, smoke[0], false},
	} {
		if got := test.o.want()(test.name); got != test.want {
			t.Errorf("%+v, %s: %t; expected %t", test.o, test.name, got, test.want)
		}
	}
}

// The names are of the pinned version; a name that it has not would be left out in silence.
func TestSmoke(t *testing.T) {
	if len(smoke) != 10 {
		t.Errorf("%d specs; expected 10", len(smoke))
	}
	name := regexp.MustCompile(`^\[sig-network\] Netpol .* \[Feature:NetworkPolicy\]$`)
	for _, spec := range smoke {
		if !name.MatchString(spec) {
			t.Errorf("%q; expected a whole name", spec)
		}
	}
}
