package deploy

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/parser"
)

// metricItem is how METRICS.md begins what it says of a metric: name, type, labels, unit. That it
// names all that an agent serves, and nothing else, is tested in package controller.
var metricItem = regexp.MustCompile(
	"(?m)^- \\*\\*`([a-z_]+)`\\*\\* \\((\\w+);\\s([^;]+);\\s[^)]+\\)\\.")

var label = regexp.MustCompile("`([a-z_]+)`")

// documented returns the labels of each metric, by the names that its series have, and of those
// that are served by others.
func documented(t *testing.T) map[string][]string {
	t.Helper()
	metrics := map[string][]string{"up": {"job"}, "kube_node_info": {"os_image"}}
	for _, item := range metricItem.FindAllStringSubmatch(string(read(t, "METRICS.md")), -1) {
		var labels []string
		for _, l := range label.FindAllStringSubmatch(item[3], -1) {
			labels = append(labels, l[1])
		}
		if item[2] == "histogram" {
			metrics[item[1]+"_bucket"] = append(labels, "le")
			metrics[item[1]+"_sum"], metrics[item[1]+"_count"] = labels, labels
			continue
		}
		metrics[item[1]] = labels
	}
	if len(metrics) < 15 {
		t.Fatalf("only %v", metrics)
	}
	return metrics
}

// testSelectors parses an expression and holds the metrics and labels that it names against those
// that exist. It returns the metrics.
func testSelectors(t *testing.T, expr string) map[string]bool {
	t.Helper()
	parsed, err := promqlParser().ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %v", expr, err)
		return nil
	}
	all, named := documented(t), map[string]bool{}
	parser.Inspect(parsed, func(node parser.Node, _ []parser.Node) error {
		selector, is := node.(*parser.VectorSelector)
		if !is {
			return nil
		}
		named[selector.Name] = true
		labels, exists := all[selector.Name]
		if !exists {
			t.Errorf("%s: there is no metric %s", expr, selector.Name)
		}
		for _, m := range selector.LabelMatchers {
			known := append([]string{"__name__", "node", "job"}, labels...)
			if !slices.Contains(known, m.Name) {
				t.Errorf("%s: %s has no label %s", expr, selector.Name, m.Name)
			}
		}
		return nil
	})
	return named
}

var (
	heading     = regexp.MustCompile(`(?m)^#+ (.*)$`)
	notInAnchor = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns what a link into a text of this folder can lead to.
func anchors(t *testing.T, path string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, match := range heading.FindAllStringSubmatch(string(read(t, path)), -1) {
		kept := notInAnchor.ReplaceAllString(strings.ToLower(match[1]), "")
		all[strings.ReplaceAll(kept, " ", "-")] = true
	}
	return all
}

// repository is where links out of Prometheus and Grafana lead.
const repository = "https://github.com/picket-project/picket/blob/main/deploy/"

// testLink holds a link against the texts of this folder.
func testLink(t *testing.T, what, link string) {
	t.Helper()
	path, anchor, _ := strings.Cut(strings.TrimPrefix(link, repository), "#")
	if _, err := os.Stat(filepath.FromSlash(path)); err != nil || anchor == "" ||
		!strings.HasPrefix(link, repository) {
		t.Errorf("%s: link %q; expected %sFILE#HEADING (%v)", what, link, repository, err)
	} else if !anchors(t, path)[anchor] {
		t.Errorf("%s: link %s: no such heading", what, link)
	}
}

// TestEveryMetricIsShown: what the agent serves of its own is on the dashboard or in an alert.
func TestEveryMetricIsShown(t *testing.T) {
	shown := map[string]bool{}
	for _, rule := range alerts(t) {
		maps.Copy(shown, testSelectors(t, rule.Expr))
	}
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			maps.Copy(shown, testSelectors(t, asQuery(target.Expr)))
		}
	}
	for name := range documented(t) {
		rest := strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count")
		if !shown[name] && !rest {
			t.Errorf("%s is in no panel and no alert", name)
		}
	}
}
