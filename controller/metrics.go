package controller

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
)

// metrics is what /metrics serves, each under the name that its constructor gives it.
type metrics struct {
	registry *prometheus.Registry
	// what was sent to the kernel, and what the kernel was found to hold
	transactions *prometheus.CounterVec
	drift        prometheus.Counter
	// times, in seconds
	commit  prometheus.Histogram
	latency prometheus.Histogram
	// how much is not as its author wants it
	badPolicies prometheus.Gauge
	beyond      prometheus.Gauge
	complaints  prometheus.Gauge
	disputed    prometheus.Gauge
	// open connections
	cuts       prometheus.Counter
	cut        prometheus.Gauge
	flowtables prometheus.Gauge
	// how much there is, and what the node can do
	objects  *prometheus.GaugeVec
	features *prometheus.GaugeVec
	backend  *prometheus.GaugeVec
	denied   denialMetrics
}

// newMetrics makes them; the readiness is asked for when they are read.
func newMetrics(readiness func() Readiness) *metrics {
	seconds := prometheus.ExponentialBuckets(10e-6, 2, 20) // 10 µs to 5 s
	m := &metrics{
		registry: prometheus.NewRegistry(),
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "picket_transactions_total",
			Help: "Kernel transactions by result: committed or failed."}, []string{"result"}),
		drift: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "picket_drift_repairs_total",
			Help: "Times that the kernel was found to hold something else than was committed."}),
		commit: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "picket_commit_seconds", Help: "Computing and committing one delta.",
			Buckets: seconds}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "picket_enforcement_latency_seconds",
			Help:    "From an event's arrival in the agent to its commit in the kernel.",
			Buckets: seconds}),
		badPolicies: prometheus.NewGauge(prometheus.GaugeOpts{Name: "picket_policies_with_problems",
			Help: "Policies with parts that match nothing because they could not be understood, " +
				"or for which there is not enough room."}),
		beyond: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "picket_policies_beyond_budgets",
			Help: "Policies that allow nothing on this node since they need more than there " +
				"is room for."}),
		complaints: prometheus.NewGauge(prometheus.GaugeOpts{Name: "picket_source_complaints",
			Help: "Things that the source cannot read."}),
		disputed: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "picket_disputed_addresses",
			Help: "Addresses that several pods or nodes claim, or one whose they can't be."}),
		cuts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "picket_connections_cut_total",
			Help: "Flows whose open connections a change of policy ended."}),
		cut: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "picket_connections_cut", Help: "Flows, and clients of too many, that are kept " +
				"from going on."}),
		flowtables: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "picket_flowtables", Help: "Flowtables on this node, by which packets of open " +
				"connections pass by the rules."}),
		objects: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "picket_objects", Help: "How much is known (namespaces, pods, policies) and " +
				"programmed (selectors, sets, elements, chains)."}, []string{"kind"}),
		features: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "picket_kernel_feature", Help: "1 if the kernel has the feature, else 0: " +
				"then something else is done in its place."}, []string{"feature"}),
		backend: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "picket_backend",
			Help: "1 for what holds the rules, and why that does."}, []string{"backend", "because"}),
	}
	m.denied = newDenialMetrics()
	// Both results are there from the start, with 0, so that their rates have a beginning.
	m.transactions.WithLabelValues("committed")
	m.transactions.WithLabelValues("failed")
	m.registry.MustRegister(
		newReadinessCollector(readiness),
		m.transactions, m.drift, m.commit, m.latency, m.badPolicies, m.beyond, m.complaints,
		m.disputed, m.cuts, m.cut, m.flowtables, m.objects, m.features,
		m.backend, m.denied.packets, m.denied.audited, m.denied.lost, m.denied.reading,
		collectors.NewGoCollector(), collectors.NewProcessCollector(
			collectors.ProcessCollectorOpts{}))
	return m
}

// feature takes over whether the kernel has one.
func (m *metrics) feature(f ruleset.Feature) {
	here := 0.0
	if f.Here {
		here = 1
	}
	m.features.WithLabelValues(f.Name).Set(here)
}

// count takes over how much there is of each kind.
func (m *metrics) count(c graph.Counts) {
	for kind, n := range map[string]int{
		"namespaces": c.Namespaces, "pods": c.Pods, "local_pods": c.LocalPods,
		"policies":  c.Policies,
		"selectors": c.Selectors, "sets": c.Sets, "elements": c.Elements, "chains": c.Chains,
	} {
		m.objects.WithLabelValues(kind).Set(float64(n))
	}
}
