package controller

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/picket-project/picket/controller/drops"
)

// denialMetrics is what /metrics says of denied packets.
type denialMetrics struct {
	packets *prometheus.CounterVec
	audited *prometheus.CounterVec
	lost    prometheus.Counter
	reading *prometheus.GaugeVec // without labels: it is there once it is known
}

// newDenialMetrics makes them.
func newDenialMetrics() denialMetrics {
	return denialMetrics{
		packets: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "picket_denied_packets_total",
			Help: "Packets that the rules of pods denied, as the kernel counts them."},
			[]string{"direction", "namespace", "workload"}),
		audited: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "picket_audited_packets_total",
			Help: "Packets that were let through, and that policies would deny which are audited."},
			[]string{"direction", "namespace", "workload"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "picket_denied_samples_lost_total",
			Help: "Denied packets that were logged, and that the agent had no room for."}),
		reading: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "picket_denied_samples_read",
			Help: "1 while the agent reads the log of denied packets, else 0."}, nil),
	}
}

// CountDenied counts packets that were denied. Any goroutine may call it.
func (h *Health) CountDenied(s drops.Subject, packets uint64) {
	h.metrics.denied.packets.WithLabelValues(s.Direction.String(), s.Namespace, s.Workload).
		Add(float64(packets))
}

// CountAudited counts packets that an audit let through. Any goroutine may call it.
func (h *Health) CountAudited(s drops.Subject, packets uint64) {
	h.metrics.denied.audited.WithLabelValues(s.Direction.String(), s.Namespace, s.Workload).
		Add(float64(packets))
}

// CountLost counts logged packets that were not read. Any goroutine may call it.
func (h *Health) CountLost(packets uint64) { h.metrics.denied.lost.Add(float64(packets)) }

// Reading takes over whether the log of denied packets is read. Any goroutine may call it.
func (h *Health) Reading(on bool) {
	// Whoever does not want it read never calls this, and gets no such metric.
	value := 0.0
	if on {
		value = 1
	}
	h.metrics.denied.reading.WithLabelValues().Set(value)
}
