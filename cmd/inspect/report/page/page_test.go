package page

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/cmd/inspect/coverage"
	"github.com/picket-project/picket/cmd/inspect/lint"
	"github.com/picket-project/picket/cmd/inspect/report"
)

// hostile are texts that would do harm if a browser read them as HTML or script.
var hostile = []string{
	`</script><script>alert(1)</script>`, `<!--<script>`, `"><img src=x onerror=alert(1)>`,
	`' onmouseover='alert(1)`, `{{data}}{{script}}`, "\u2028alert(1)\u2029", `]]>--></svg><b>`,
	`javascript:alert(1)`, "\x00\x1b[31m\xff", `&lt;b&gt;`,
}

// sample is a page's data with a text in every place.
func sample(text string) report.Data {
	return report.Data{Source: text, Made: text,
		Spaces: []report.Space{{Name: text}, {Name: "b"}, {Name: "internet", Outside: true}},
		Workloads: []report.Workload{{Name: text + "/" + text, Kind: text}, {Name: "b/b", Space: 1},
			{Name: "internet", Space: 2}},
		Groups: []report.Group{{Pods: []string{text}}},
		Labels: [][2]string{{text, text}},
		Edges: []report.Edge{{From: 0, To: 1, Some: 1, Pairs: 1}, {From: 1, To: 0, Some: 1, Pairs: 1},
			{From: 0, To: 2, All: 1, Pairs: 1}},
		Policies:  []report.Policy{{Name: text}},
		Selectors: []report.Selector{{Text: text}}, Needs: []report.Need{{Key: text, Wants: text}},
		Findings: []lint.Finding{{Object: text, Message: text, File: text}},
		Coverage: coverage.Report{Unused: []coverage.Unused{{Policy: text, Meant: text}}},
	}
}

var script = regexp.MustCompile(`(?s)<script>(.*?)</script>`)

// Whatever a tenant calls something, the page has the same elements, and its data reads back.
func TestHostileTextsStayTexts(t *testing.T) {
	elements := regexp.MustCompile(`<[a-zA-Z/!][^\s>]*`)
	plain := elements.FindAllString(written(t, sample("a")), -1)
	for _, text := range hostile {
		d := sample(text)
		got := written(t, d)
		if diff := cmp.Diff(plain, elements.FindAllString(got, -1)); diff != "" {
			t.Errorf("%q makes other elements: %s", text, diff)
		}
		var back report.Data
		if err := json.Unmarshal([]byte(between(got, `id="data">`, "</script>")), &back); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		// JSON has no bytes that are no text.
		if want := strings.ToValidUTF8(text, "\ufffd"); back.Policies[0].Name != want {
			t.Errorf("%q reads back as %q", text, back.Policies[0].Name)
		}
		// XML has no such characters at all; HTML reads them as text.
		if strings.ContainsAny(text, "\x00\x1b") {
			continue
		}
		for _, e := range elementsOf(t, graph(d)) {
			for _, a := range e.Attr {
				if name := a.Name.Local; strings.HasPrefix(name, "on") ||
					name == "href" && !strings.HasPrefix(a.Value, "#open=") {
					t.Errorf("%q becomes %s=%q", text, name, a.Value)
				}
			}
		}
	}
}

// written is the page.
func written(t *testing.T, d report.Data) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// between is what stands between two texts.
func between(text, start, end string) string {
	_, text, _ = strings.Cut(text, start)
	text, _, _ = strings.Cut(text, end)
	return text
}

// The policy of the page names the hash of its one script and its one style, and allows nothing else.
func TestThePageAllowsItsOwnPartsAlone(t *testing.T) {
	got := written(t, sample("a"))
	scripts := script.FindAllStringSubmatch(got, -1)
	if len(scripts) != 1 || strings.Count(got, "<style>") != 1 {
		t.Fatalf("%d scripts, %d styles", len(scripts), strings.Count(got, "<style>"))
	}
	want := "default-src 'none'; style-src '" + hash(between(got, "<style>", "</style>")) +
		"'; script-src '" + hash(scripts[0][1]) + "'; base-uri 'none'; form-action 'none'"
	if policy := between(got, `Content-Security-Policy" content="`, `"`); policy != want {
		t.Errorf("policy %s, want %s", policy, want)
	}
	for _, address := range regexp.MustCompile(`(?:src|href|url\()\W*https?:`).FindAllString(got, -1) {
		t.Errorf("it asks for %s", address)
	}
	if strings.Contains(got, "{{") {
		t.Error("a part of the page was not put in")
	}
}

// The drawing is well-formed, has a node for every namespace with pods, and no arrow to one that
// everybody reaches.
func TestTheDrawing(t *testing.T) {
	got := graph(sample("a"))
	nodes, edges := 0, 0
	for _, e := range elementsOf(t, got) {
		switch e.Name.Local {
		case "circle":
			nodes++
		case "path":
			edges++
		}
	}
	// One of the paths is the tip of the arrows; both ways between two namespaces are one line.
	if nodes != 3 || edges != 1+2 {
		t.Errorf("%d nodes and %d paths in %s", nodes, edges, got)
	}
	open := sample("a")
	open.Edges[0].Some, open.Edges[0].All = 0, 1
	if got := graph(open); strings.Count(got, `class="edge"`) != 2 ||
		!strings.Contains(got, `class="node open"`) {
		t.Errorf("b is reached by everybody: %s", got)
	}
}

// elementsOf returns the elements of a drawing, which has to be well-formed.
func elementsOf(t *testing.T, svg string) (all []xml.StartElement) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, is := token.(xml.StartElement); is {
			all = append(all, e.Copy())
		}
	}
}
