package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/yaml"

	"github.com/picket-project/picket/cmd/inspect"
	"github.com/picket-project/picket/cmd/inspect/coverage"
	"github.com/picket-project/picket/cmd/inspect/lint"
	"github.com/picket-project/picket/cmd/inspect/reach"
	"github.com/picket-project/picket/cmd/inspect/report"
	"github.com/picket-project/picket/cmd/inspect/why"
)

// Each NAME.args of an archive is a command line, NAME.out what it prints at 80 columns and its exit
// code. DIR stands for a folder with the manifests of the archive, DEMO for deploy/demo.
func TestAnswers(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	paths, err := filepath.Glob("testdata/answers/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if len(archive.Comment) == 0 || archive.Comment[0] != '#' {
			t.Errorf("%s does not start with a # paragraph that says what it shows", path)
		}
		g := &golden{path, archive, t.TempDir()}
		for _, f := range archive.Files {
			if strings.HasSuffix(f.Name, ".yaml") {
				write(t, filepath.Join(g.folder, f.Name), string(f.Data))
			}
		}
		for _, f := range slices.Clone(archive.Files) {
			if name, is := strings.CutSuffix(f.Name, ".args"); is {
				g.checkAnswer(t, name, string(f.Data))
			}
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// checkAnswer runs one command line and compares what it prints.
func (g *golden) checkAnswer(t *testing.T, name, args string) {
	t.Helper()
	demo := filepath.Join("..", "..", "deploy", "demo")
	line := strings.Fields(strings.NewReplacer("DIR", g.folder, "DEMO", demo).Replace(args))
	code, stdout, stderr := picket(line...)
	got := fmt.Sprintf("%sexit code %d\n", stdout, code)
	if code == 2 {
		got = stderr + got
	}
	got = strings.ReplaceAll(strings.ReplaceAll(got, g.folder, "DIR"), demo, "DEMO")
	for _, row := range strings.Split(got, "\n") {
		if utf8.RuneCountInString(row) > 80 && code != 2 {
			t.Errorf("%s %s: more than 80 columns: %s", g.path, name, row)
		}
	}
	if *update {
		g.put(name+".out", got)
		return
	}
	want, _ := g.file(name + ".out")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s %s: -want +got:\n%s", g.path, name, diff)
	}
}

// The form of an answer for programs is an API: SCHEMA.md names each of its fields.
func TestSchemaNamesEveryField(t *testing.T) {
	text, err := os.ReadFile("SCHEMA.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, answer := range []any{why.Answer{}, reach.Access{}, reach.Reach{}, coverage.Report{},
		lint.Finding{}, reach.Diff{}, reach.Matrix{}, inspect.Matrix{}, report.Report{}} {
		for _, name := range fieldNames(reflect.TypeOf(answer)) {
			if !strings.Contains(string(text), "`"+name+"`") {
				t.Errorf("%T: SCHEMA.md does not name %s", answer, name)
			}
		}
	}
}

// fieldNames returns the names of the fields in JSON, those of fields too.
func fieldNames(of reflect.Type) []string {
	switch of.Kind() {
	case reflect.Slice, reflect.Pointer:
		return fieldNames(of.Elem())
	case reflect.Struct:
	default:
		return nil
	}
	var names []string
	for i := range of.NumField() {
		f := of.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
			names = append(names, fieldNames(f.Type)...)
		}
	}
	return names
}

// JSON and YAML say the same, and no list in them is null.
func TestAnswersForPrograms(t *testing.T) {
	demo := filepath.Join("..", "..", "deploy", "demo")
	for _, verb := range []string{"why shop/stranger shop/backend:8080", "who-can shop/backend:8080",
		"reach shop/backend", "coverage", "lint", "matrix", "diff --base DEMO --delete shop/dns"} {
		line := strings.ReplaceAll(verb, "DEMO", demo)
		if !strings.HasPrefix(verb, "diff") {
			line += " -f " + demo
		}
		_, asJSON, _ := picket(append(strings.Fields(line), "-o", "json")...)
		_, asYAML, _ := picket(append(strings.Fields(line), "-o", "yaml")...)
		var one, other map[string]any
		if err := json.Unmarshal([]byte(asJSON), &one); err != nil {
			t.Fatalf("%s: %v\n%s", verb, err, asJSON)
		}
		if err := yaml.Unmarshal([]byte(asYAML), &other); err != nil {
			t.Fatalf("%s: %v\n%s", verb, err, asYAML)
		}
		if diff := cmp.Diff(one, other); diff != "" || one["apiVersion"] != "picket.dev/v1" {
			t.Errorf("%s: %s", verb, diff)
		}
		if strings.Contains(asJSON, "null") {
			t.Errorf("%s: null in\n%s", verb, asJSON)
		}
	}
}

// The findings are in SARIF with their place, for tools that show them beside the text.
func TestLintAsSARIF(t *testing.T) {
	folder := twoPods(t)
	write(t, filepath.Join(folder, "typo.yaml"), "apiVersion: networking.k8s.io/v1\n"+
		"kind: NetworkPolicy\nmetadata: {namespace: a, name: typo}\nspec:\n"+
		"  podSelector: {matchLabels: {app: lon}}\n")
	code, stdout, _ := picket("lint", "-f", folder, "-o", "sarif")
	var report struct {
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct{ Rules []struct{ ID string } }
			}
			Results []struct {
				RuleID, Level string
				Locations     []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(stdout), &report); err != nil {
		t.Fatal(err)
	}
	run := report.Runs[0]
	if code != 1 || report.Version != "2.1.0" || len(run.Tool.Driver.Rules) != len(lint.Checks()) ||
		len(run.Results) != 1 || run.Results[0].RuleID != "selects-nobody" {
		t.Fatalf("exit code %d\n%s", code, stdout)
	}
	at := run.Results[0].Locations[0].PhysicalLocation
	if !strings.HasSuffix(at.ArtifactLocation.URI, "typo.yaml") || at.Region.StartLine != 5 {
		t.Errorf("%+v", at)
	}
}

// address is what looks like an IP address, which no answer shows that was asked by names.
var address = regexp.MustCompile(`\b10\.(244|77)\.\d+\.\d+\b|fd[0-9a-f]*:`)

// Names are completed from what the flags name.
func TestNamesAreCompleted(t *testing.T) {
	demo := filepath.Join("..", "..", "deploy", "demo")
	for line, want := range map[string]string{
		"why -f DEMO ":       "shop/backend\n",
		"reach -f DEMO ":     "node/node-1\n",
		"matrix -f DEMO -n ": "shop\n",
		"matrix -o ":         "yaml\n",
	} {
		args := append([]string{"__complete"}, strings.Fields(strings.ReplaceAll(line, "DEMO", demo))...)
		if words, _ := succeed(t, append(args, "")...); !strings.Contains(words, want) {
			t.Errorf("%s is completed to %q", line, words)
		}
	}
}

// Where workloads of two kinds have one name, that is completed with a kind, and asked about with one.
func TestNamesOfTwoKinds(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "all.yaml"), `
apiVersion: apps/v1
kind: Deployment
metadata: {namespace: shop, name: backup}
spec: {template: {metadata: {labels: {app: a}}, spec: {containers: [{name: c}]}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {namespace: shop, name: backup}
spec: {jobTemplate: {spec: {template: {metadata: {labels: {app: b}}, spec: {containers: [{name: c}]}}}}}
`)
	words, _ := succeed(t, "__complete", "reach", "-f", folder, "")
	if !strings.Contains(words, "\nshop/cronjob/backup\nshop/deployment/backup\n") ||
		strings.Contains(words, "\nshop/backup\n") {
		t.Errorf("completed to %q", words)
	}
	code, _, stderr := picket("reach", "-f", folder, "shop/backup")
	if code != 2 || !strings.Contains(stderr, "shop/backup (CronJob) and shop/backup (Deployment)") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	for _, name := range []string{"shop/cronjob/backup", "shop/deployment/backup"} {
		if stdout, _ := succeed(t, "reach", "-f", folder, name); !strings.HasPrefix(stdout, "shop/backup (") {
			t.Errorf("%s: %s", name, stdout)
		}
	}
}

// No answer shows an address that nobody has asked about.
func TestAnswersShowNames(t *testing.T) {
	demo := filepath.Join("..", "..", "deploy", "demo")
	for _, line := range []string{"why shop/stranger shop/backend:8080 -o wide",
		"who-can shop/backend:8080", "reach internet", "coverage", "matrix"} {
		_, stdout, _ := picket(append(strings.Fields(line), "-f", demo)...)
		if found := address.FindString(stdout); found != "" {
			t.Errorf("%s shows %s", line, found)
		}
	}
}
