package controller

import "github.com/prometheus/client_golang/prometheus"

// readinessCollector makes metrics of a Readiness. It is asked for each time that they are read, so
// they agree with each other and with /readyz.
type readinessCollector struct {
	readiness       func() Readiness
	ready, notReady *prometheus.Desc
}

func newReadinessCollector(readiness func() Readiness) readinessCollector {
	return readinessCollector{
		readiness: readiness,
		ready: prometheus.NewDesc("picket_ready",
			"1 while the kernel holds what it should, else 0.", nil, nil),
		notReady: prometheus.NewDesc("picket_not_ready",
			"1 for each part that keeps the node from being ready, as reasons in /readyz names it.",
			[]string{"part"}, nil),
	}
}

// Describe names both metrics.
func (c readinessCollector) Describe(list chan<- *prometheus.Desc) {
	list <- c.ready
	list <- c.notReady
}

// Collect reads them. A part that keeps nothing from being ready has no value.
func (c readinessCollector) Collect(list chan<- prometheus.Metric) {
	r := c.readiness()
	ready := 0.0
	if r.Ready {
		ready = 1
	}
	list <- prometheus.MustNewConstMetric(c.ready, prometheus.GaugeValue, ready)
	for part := range r.Reasons {
		list <- prometheus.MustNewConstMetric(c.notReady, prometheus.GaugeValue, 1, part)
	}
}
