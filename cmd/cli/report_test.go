package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/cmd/inspect/reach"
	"github.com/picket-project/picket/cmd/inspect/report"
)

// pageData reads the data out of a page.
func pageData(t *testing.T, page string) report.Data {
	t.Helper()
	found := regexp.MustCompile(`(?s)id="data">(.*?)</script>`).FindStringSubmatch(page)
	if found == nil {
		t.Fatalf("no data in %.200s", page)
	}
	var d report.Data
	if err := json.Unmarshal([]byte(found[1]), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// The page has what the other verbs say, in a file that only its owner can read.
func TestReportIsAPage(t *testing.T) {
	demo := filepath.Join("..", "..", "deploy", "demo")
	out := filepath.Join(t.TempDir(), "page.html")
	change := filepath.Join(t.TempDir(), "change.yaml")
	write(t, change, "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n"+
		"metadata: {namespace: other, name: closed}\nspec: {podSelector: {}}\n")
	if stdout, _ := succeed(t, "report", "-f", demo, "--out", out, "--change", change); stdout != "" {
		t.Errorf("prints %q", stdout)
	}
	page, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	d := pageData(t, string(page))
	if !strings.HasPrefix(string(page), "<!doctype html>") || d.Source != demo ||
		len(d.Workloads) != 7 || len(d.Findings) == 0 || d.Diff == nil || len(d.Diff.Cuts) == 0 {
		t.Errorf("%d workloads, %d findings, change %+v of %s", len(d.Workloads), len(d.Findings),
			d.Diff, d.Source)
	}
}

// A file that is there is replaced with its mode, and nothing else is left in its folder.
func TestReportReplacesAFile(t *testing.T) {
	demo, folder := filepath.Join("..", "..", "deploy", "demo"), t.TempDir()
	out, link := filepath.Join(folder, "page.html"), filepath.Join(folder, "link.html")
	write(t, out, "old") // with mode 0644
	succeed(t, "report", "-f", demo, "--out", out)
	page, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if len(pageData(t, string(page)).Workloads) != 7 {
		t.Errorf("the file holds %.100s", page)
	}
	if names, err := os.ReadDir(folder); err != nil || len(names) != 1 {
		t.Errorf("%v, %v; expected the page alone", names, err)
	}
	if err := os.Symlink(out, link); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := picket("report", "-f", demo, "--out", link); code != 2 ||
		!strings.Contains(stderr, "is a link") {
		t.Errorf("a link: %d, %q", code, stderr)
	}
	succeed(t, "report", "-f", demo, "--out", os.DevNull)
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s is %v now, %v", os.DevNull, info.Mode(), err)
	}
}

// With -n only what reaches pods of the namespace is there, and the names that explain it.
func TestReportOfANamespace(t *testing.T) {
	demo := filepath.Join("..", "..", "deploy", "demo")
	page, _ := succeed(t, "report", "-f", demo, "-n", "shop")
	d := pageData(t, page)
	for _, to := range d.Targets {
		if w := d.Workloads[d.Groups[to.Group].Workload]; !strings.HasPrefix(w.Name, "shop/") {
			t.Errorf("%s is a target", w.Name)
		}
	}
	if len(d.Targets) == 0 || len(d.Workloads) != 7 {
		t.Errorf("%d targets, %d workloads", len(d.Targets), len(d.Workloads))
	}
}

// The form for programs has the answers of the other verbs.
func TestReportAsJSON(t *testing.T) {
	demo := filepath.Join("..", "..", "deploy", "demo")
	var got struct {
		Kind   string
		Answer report.Report
	}
	var matrix struct{ Answer reach.Matrix }
	for verb, into := range map[string]any{"report": &got, "matrix": &matrix} {
		text, _ := succeed(t, verb, "-f", demo, "-o", "json")
		if err := json.Unmarshal([]byte(text), into); err != nil || strings.Contains(text, "null") {
			t.Fatalf("%s: %v\n%s", verb, err, text)
		}
	}
	if diff := cmp.Diff(matrix.Answer, got.Answer.Matrix); diff != "" || got.Kind != "Report" {
		t.Errorf("%s: %s", got.Kind, diff)
	}
	// The two namespaces of the demo with policies, and one without.
	into := func(b report.Between) bool { return b.From == "shop" && b.To == "other" }
	i := slices.IndexFunc(got.Answer.Namespaces, into)
	want := report.Between{From: "shop", To: "other", Pairs: 4}
	if i < 0 || got.Answer.Namespaces[i] != want {
		t.Errorf("%+v, want %+v", got.Answer.Namespaces, want)
	}
}

func TestReportRefuses(t *testing.T) {
	demo := filepath.Join("..", "..", "deploy", "demo")
	for line, want := range map[string]string{
		"report -f DEMO -o yaml":                        "expected html or json",
		"report -f DEMO --out /no/such/folder/p.html":   "--out: ",
		"report -f DEMO --change /no/such/file":         "--change: ",
		"report -f DEMO --change /dev/null --out /dev/": "--out: ",
	} {
		code, stdout, stderr := picket(strings.Fields(strings.ReplaceAll(line, "DEMO", demo))...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: %d, %q", line, code, stderr)
		}
	}
}
