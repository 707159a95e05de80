package deploy

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
)

// alerts returns the rules that Prometheus reads in the file of alerts.
func alerts(t *testing.T) (rules []rulefmt.Rule) {
	t.Helper()
	groups, errs := rulefmt.Parse(read(t, Alerts), false, model.UTF8Validation, promqlParser(),
		slog.New(slog.NewTextHandler(io.Discard, nil)))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for _, group := range groups.Groups {
		rules = append(rules, group.Rules...)
	}
	return rules
}

// TestAlertsSayWhatToDo: each has its texts, a severity, and a link to the heading with its name.
func TestAlertsSayWhatToDo(t *testing.T) {
	severities := []string{"critical", "warning", "info"}
	for _, rule := range alerts(t) {
		if !slices.Contains(severities, rule.Labels["severity"]) || rule.Record != "" {
			t.Errorf("%s: labels %v", rule.Alert, rule.Labels)
		}
		for _, name := range []string{"summary", "description"} {
			if len(rule.Annotations[name]) < 20 {
				t.Errorf("%s: %s: %q", rule.Alert, name, rule.Annotations[name])
			}
		}
		link := rule.Annotations["runbook_url"]
		testLink(t, rule.Alert, link)
		if !strings.HasSuffix(link, "METRICS.md#"+strings.ToLower(rule.Alert)) {
			t.Errorf("%s: link %s", rule.Alert, link)
		}
		testSelectors(t, rule.Expr)
	}
}

// firing returns the labels under which a rule fires in a scene at some time.
func firing(t *testing.T, rule rulefmt.Rule, s scene, minutes int) (all []string) {
	t.Helper()
	for _, series := range s.query(t, rule.Expr, minutes) {
		since, before := int64(0), int64(-1)
		for _, point := range series.Floats {
			if before < 0 || point.T-before > scrape.Milliseconds() {
				since = point.T
			}
			before = point.T
			if time.Duration(point.T-since)*time.Millisecond >= time.Duration(rule.For) {
				all = append(all, series.Metric.Get("node"))
				break
			}
		}
	}
	return all
}

// healthy is two hours of two nodes on which all is well, with what goes on there: changes, a
// transaction that failed once, a repair, and an agent that was replaced.
var healthy = scene{
	`up{job="picket",node="a"} 1x120`,
	`up{job="picket",node="b"} 1x30 0 0 1x90`,
	`kube_node_info{node="a",os_image="Debian GNU/Linux 13"} 1x120`,
	`kube_node_info{node="b",os_image="Debian GNU/Linux 13"} 1x120`,
	`kube_node_info{node="w",os_image="Windows Server 2025"} 1x120`,
	`picket_ready{node="a"} 1x120`,
	`picket_ready{node="b"} 1x30 _ _ 0 1x90`,
	`picket_transactions_total{node="a",result="committed"} 0+5x120`,
	`picket_transactions_total{node="a",result="failed"} 0x40 1x80`,
	`picket_drift_repairs_total{node="a"} 0x40 1x80`,
	`picket_commit_seconds_bucket{node="a",le="0.01"} 0+5x120`,
	`picket_commit_seconds_bucket{node="a",le="+Inf"} 0+5x120`,
	`picket_enforcement_latency_seconds_bucket{node="a",le="0.01"} 0+5x120`,
	`picket_enforcement_latency_seconds_bucket{node="a",le="+Inf"} 0+5x120`,
	`picket_policies_with_problems{node="a"} 0x40 1x10 0x70`,
	`picket_policies_beyond_budgets{node="a"} 0x120`,
	`picket_disputed_addresses{node="a"} 0x40 1x10 0x70`,
	`picket_source_complaints{node="a"} 0x40 1x3 0x76`,
	`picket_objects{node="a",kind="pods"} 100x120`,
	`picket_connections_cut_total{node="a"} 0+1x120`,
	`picket_connections_cut{node="a"} 3x120`,
	`picket_flowtables{node="a"} 0x120`,
	`picket_kernel_feature{node="a",feature="table_owner"} 1x120`,
	`picket_kernel_feature{node="a",feature="bridge_hooks"} 1x120`,
	`picket_backend{node="a",backend="nftables"} 1x120`,
	`picket_denied_packets_total{node="a",namespace="a",workload="x",direction="egress"} 0+9x120`,
	`picket_audited_packets_total{node="a",namespace="a",workload="x",direction="egress"} 0+9x120`,
	`picket_denied_samples_lost_total{node="a"} 0x120`,
	`picket_denied_samples_read{node="a"} 1x120`,
	`process_start_time_seconds{job="picket",node="a"} 5x120`,
	`process_start_time_seconds{job="picket",node="b"} 5x30 1900x90`,
	`process_resident_memory_bytes{job="picket",node="a"} 4e7x120`,
	`process_cpu_seconds_total{job="picket",node="a"} 0+1x120`,
}

// TestNoAlertWhereAllIsWell: none fires, though every metric is there.
func TestNoAlertWhereAllIsWell(t *testing.T) {
	text := strings.Join(healthy, "\n")
	for name := range documented(t) {
		if strings.HasSuffix(name, "_sum") || strings.HasSuffix(name, "_count") ||
			name == "picket_not_ready" {
			continue
		}
		if !strings.Contains(text, name+"{") {
			t.Errorf("%s is not in the scene", name)
		}
	}
	for _, rule := range alerts(t) {
		if nodes := firing(t, rule, healthy, 120); len(nodes) > 0 {
			t.Errorf("%s fires: %q", rule.Alert, nodes)
		}
	}
}

// TestAlertsFire has a scene in which each alert fires, and one in which it is close to it.
func TestAlertsFire(t *testing.T) {
	const half, two, all = `picket_enforcement_latency_seconds_bucket{node="a",le="0.5"} `,
		`picket_enforcement_latency_seconds_bucket{node="a",le="2"} `,
		`picket_enforcement_latency_seconds_bucket{node="a",le="+Inf"} `
	const denied = `picket_denied_packets_total{node="a",namespace="a",workload="x",direction="ingress"}`
	const denied2 = `picket_denied_packets_total{node="a",namespace="a",workload="y",direction="ingress"}`
	scenes := map[string]struct {
		fires scene
		node  string // that the alert is about; empty: it is about none
		quiet scene
	}{
		"PicketNotReady": {scene{`picket_ready{node="a"} 1 0x6`}, "a",
			scene{`picket_ready{node="a"} 1 0x3 1 0x3 1`}},
		"PicketAgentDown": {scene{`up{job="picket",node="a"} 1 0x6`}, "a",
			scene{`up{job="picket",node="a"} 0x3 1x3`, `up{job="other",node="a"} 0x20`}},
		"PicketAgentMissing": {scene{`kube_node_info{node="a",os_image="Debian"} 1x30`,
			`up{job="picket",node="b"} 1x30`, `up{job="other",node="a"} 1x30`}, "a",
			scene{`kube_node_info{node="a",os_image="Debian"} 1x30`,
				`up{job="picket",node="a"} _x8 1x22`}},
		"PicketNotScraped": {scene{`up{job="other",node="a"} 1x30`}, "",
			scene{`up{job="picket",node="a"} 0x80`}},
		"PicketCommitsFail": {
			scene{`picket_transactions_total{node="a",result="failed"} 0+1x20`}, "a",
			scene{`picket_transactions_total{node="a",result="failed"} 0 0 2x30`,
				`picket_transactions_total{node="a",result="committed"} 0+9x30`}},
		"PicketDriftRepairedOften": {scene{`picket_drift_repairs_total{node="a"} 0x9 1 2 3 4 5`}, "a",
			scene{`picket_drift_repairs_total{node="a"} 0x9 1 2x60`}},
		"PicketEnforcementSlow": {
			scene{half + `0+1x40`, two + `0+2x40`, all + `0+2x40`}, "a",
			scene{half + `0+2x40`, two + `0+2x40`, all + `0+2x40`}},
		"PicketPoliciesWithProblems": {scene{`picket_policies_with_problems{node="a"} 1x20`}, "",
			scene{`picket_policies_with_problems{node="a"} 1x10 0x10`}},
		"PicketPoliciesBeyondBudgets": {scene{`picket_policies_beyond_budgets{node="a"} 2x6`}, "a",
			scene{`picket_policies_beyond_budgets{node="a"} 2x3 0x10`}},
		"PicketDisputedAddresses": {scene{`picket_disputed_addresses{node="a"} 1x20`}, "",
			scene{`picket_disputed_addresses{node="a"} 1x10 0x10`}},
		"PicketSourceComplaints": {scene{`picket_source_complaints{node="a"} 1x6`}, "a",
			scene{`picket_source_complaints{node="a"} 1x3 0x10`}},
		"PicketRestartsOften": {
			scene{`process_start_time_seconds{job="picket",node="a"} 1+60x5`}, "a",
			scene{`process_start_time_seconds{job="picket",node="a"} 1 2 3 4x60`,
				`process_start_time_seconds{job="other",node="a"} 1+60x60`}},
		"PicketFlowtables": {scene{`picket_flowtables{node="a"} 1x11`}, "a",
			scene{`picket_flowtables{node="a"} 1x5 0x10`}},
		"PicketKernelLacksTableOwner": {
			scene{`picket_kernel_feature{node="a",feature="table_owner"} 0x61`}, "",
			scene{`picket_kernel_feature{node="a",feature="deletion_at_once"} 0x61`}},
		"PicketKernelLacksBridgeHooks": {
			scene{`picket_kernel_feature{node="a",feature="bridge_hooks"} 0x61`}, "",
			scene{`picket_kernel_feature{node="a",feature="table_owner"} 0x61`}},
		"PicketDeniesMuch": {
			scene{denied + ` 0+900x40`}, "",
			scene{denied + ` 0+540x60`, denied2 + ` 0+540x60`, `picket_denied_packets_total{node="a",` +
				`namespace="a",workload="x",direction="egress"} 0x9 9000x60`}},
		"PicketDropsNotRead": {scene{`picket_denied_samples_read{node="a"} 0x16`}, "a",
			scene{`picket_denied_samples_read{node="a"} 1 0x9 1x60`}},
	}
	for _, rule := range alerts(t) {
		s, exists := scenes[rule.Alert]
		if !exists {
			t.Errorf("%s has no scene", rule.Alert)
		}
		nodes := firing(t, rule, s.fires, 75)
		if !slices.Equal(nodes, []string{s.node}) {
			t.Errorf("%s fires for %q; expected %q", rule.Alert, nodes, s.node)
		}
		if names := strings.Contains(rule.Annotations["summary"], "$labels.node"); names !=
			(s.node != "") {
			t.Errorf("%s: the summary names a node: %v", rule.Alert, names)
		}
		if nodes := firing(t, rule, s.quiet, 75); len(nodes) > 0 {
			t.Errorf("%s fires too early: %q", rule.Alert, nodes)
		}
		delete(scenes, rule.Alert)
	}
	if len(scenes) > 0 {
		t.Errorf("scenes of no alert: %v", scenes)
	}
}
