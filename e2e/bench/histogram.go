package main

import (
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// histogram is one of an agent's: how many observations there are up to each bound, in seconds.
type histogram struct {
	upTo  map[float64]int
	count int
}

// histograms returns those of /metrics that have no labels of their own.
func (a *agent) histograms() (map[string]histogram, error) {
	metrics, err := a.Metrics()
	all := map[string]histogram{}
	for metric, value := range metrics {
		name, rest, found := strings.Cut(metric, `_bucket{le="`)
		bound, also := strings.CutSuffix(rest, `"}`)
		limit, err := strconv.ParseFloat(bound, 64) // +Inf is one
		if !found || !also || err != nil {
			continue
		}
		h, known := all[name]
		if !known {
			h.upTo = map[float64]int{}
		}
		h.upTo[limit], h.count = int(value), max(h.count, int(value))
		all[name] = h
	}
	return all, err
}

// Histograms of the agent.
const (
	latencyMetric = "picket_enforcement_latency_seconds"
	commitMetric  = "picket_commit_seconds"
)

// sums returns the sums of all that the agent's histograms have observed.
func (a *agent) sums() (map[string]time.Duration, error) {
	metrics, err := a.Metrics()
	all := map[string]time.Duration{}
	for metric, seconds := range metrics {
		if name, found := strings.CutSuffix(metric, "_sum"); found {
			all[name] = time.Duration(seconds * 1e9)
		}
	}
	return all, err
}

// since is what came since an earlier one of the same.
func (h histogram) since(before histogram) histogram {
	d := histogram{upTo: map[float64]int{}, count: h.count - before.count}
	for bound, n := range h.upTo {
		d.upTo[bound] = n - before.upTo[bound]
	}
	return d
}

// at is the bound below which that share of the observations is.
func (h histogram) at(share float64) time.Duration {
	for _, bound := range slices.Sorted(maps.Keys(h.upTo)) {
		if float64(h.upTo[bound]) >= share*float64(h.count) && !math.IsInf(bound, 1) {
			return time.Duration(bound * 1e9)
		}
	}
	return 0
}

func writeSysctl(name, value string) error {
	return os.WriteFile("/proc/sys/"+name, []byte(value), 0)
}
