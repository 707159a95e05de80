package controller

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/picket-project/picket/controller/drops"
)

var (
	// metricItem is how deploy/METRICS.md begins what it says of metrics: name, type, labels, unit.
	metricItem = regexp.MustCompile(
		"- \\*\\*`([^`]+)`\\*\\* \\(([^;)]+);\\s([^;)]+);\\s([^;)]+)\\)\\.")
	codeSpan = regexp.MustCompile("`([^`]+)`")
)

// documentedMetrics returns what deploy/METRICS.md says of each metric of the agent's own: its type
// and labels. others begin the names of those that the text speaks of together.
func documentedMetrics(t *testing.T) (own map[string]string, others []string) {
	t.Helper()
	text, err := os.ReadFile("../deploy/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	own = map[string]string{}
	for _, item := range metricItem.FindAllStringSubmatch(string(text), -1) {
		if beginning, together := strings.CutSuffix(item[1], "*"); together {
			others = append(others, beginning)
			continue
		}
		var labels []string
		for _, l := range codeSpan.FindAllStringSubmatch(item[3], -1) {
			labels = append(labels, l[1])
		}
		own[item[1]] = fmt.Sprint(item[2], " ", labels)
	}
	return own, others
}

// servedMetrics returns the same of what an agent serves that has met everything: some parts keep
// it from being ready, and its kernel was asked what it can do.
func servedMetrics(t *testing.T) map[string]string {
	t.Helper()
	mail := make(script)
	c := start(t, Config{Source: mail, Firewall: &kernel{}, Backend: "nftables", Because: "it is there",
		Features: features{{Name: "table_owner", Since: "6.9", Here: true}}})
	mail <- Mail{Events: cluster(), Synced: true}
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	eventually(t, "counted", func() bool {
		return strings.Contains(get(c, "/metrics"), "picket_objects{")
	})
	eventually(t, "asked", func() bool {
		return strings.Contains(get(c, "/metrics"), "picket_kernel_feature{")
	})
	c.Health.set("host", "a reason")
	c.Health.CountDenied(drops.Subject{Namespace: "shop", Workload: "api"}, 1)
	c.Health.CountAudited(drops.Subject{Namespace: "shop", Workload: "api"}, 1)
	c.Health.Reading(true)
	families, err := c.Health.metrics.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	served := valueless(c.Health.metrics.registry)
	for _, family := range families {
		var labels []string
		for _, l := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, l.GetName())
		}
		kind := strings.ToLower(family.GetType().String())
		served[family.GetName()] = fmt.Sprint(kind, " ", labels)
	}
	return served
}

// valueless returns the names of all that a registry can serve, so that a metric which this agent
// has not met is not forgotten.
func valueless(registry *prometheus.Registry) map[string]string {
	list := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(list)
		close(list)
	}()
	name, all := regexp.MustCompile(`fqName: "([^"]+)"`), map[string]string{}
	for desc := range list {
		all[name.FindStringSubmatch(desc.String())[1]] = "the test makes no value of it"
	}
	return all
}

// deploy/METRICS.md has each metric that an agent serves, with its type and labels, and no other.
func TestMetricsAreDocumented(t *testing.T) {
	own, others := documentedMetrics(t)
	served := servedMetrics(t)
	if len(others) != 2 {
		t.Errorf("together: %q; expected those of Go and of the process", others)
	}
	maps.DeleteFunc(served, func(name, _ string) bool {
		return own[name] == "" && slices.ContainsFunc(others, func(beginning string) bool {
			return strings.HasPrefix(name, beginning)
		})
	})
	if diff := cmp.Diff(served, own); diff != "" {
		t.Errorf("what is served (-), what is documented (+):\n%s", diff)
	}
}

// deploy/METRICS.md says what each part means that can keep a node from being ready: those that
// this package names where it sets them.
func TestPartsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../deploy/METRICS.md")
	if err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob("*.go")
	set := regexp.MustCompile(`(?:\b[hH](?:ealth)?\.set\(|reasons\[)"([a-z-]+)"`)
	parts := map[string]bool{}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil || strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, match := range set.FindAllSubmatch(code, -1) {
			parts[string(match[1])] = true
		}
	}
	if len(parts) < 9 {
		t.Errorf("only %v", parts)
	}
	for part := range parts {
		if !strings.Contains(string(text), "\n- `"+part+"`: ") {
			t.Errorf("no item for %s", part)
		}
	}
}
