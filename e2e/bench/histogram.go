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

// histograms reads all that /metrics has without labels of their own.
func (a *agent) histograms() (map[string]histogram, error) {
	text, err := a.get("/metrics")
	all := map[string]histogram{}
	for line := range strings.Lines(text) {
		name, rest, found := strings.Cut(line, `_bucket{le="`)
		bound, value, also := strings.Cut(strings.TrimSpace(rest), `"} `)
		if !found || !also {
			continue
		}
		limit, _ := strconv.ParseFloat(bound, 64) // +Inf is one
		n, _ := strconv.ParseFloat(value, 64)
		h, known := all[name]
		if !known {
			h.upTo = map[float64]int{}
		}
		h.upTo[limit], h.count = int(n), max(h.count, int(n))
		all[name] = h
	}
	return all, err
}

// Histograms of the agent.
const (
	latencyMetric = "picket_enforcement_latency_seconds"
	commitMetric  = "picket_commit_seconds"
)

// sums is all that its histograms have observed, added up.
func (a *agent) sums() (map[string]time.Duration, error) {
	text, err := a.get("/metrics")
	all := map[string]time.Duration{}
	for line := range strings.Lines(text) {
		if name, value, found := strings.Cut(strings.TrimSpace(line), "_sum "); found {
			seconds, _ := strconv.ParseFloat(value, 64)
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
	return os.WriteFile("/proc/sys/"+name, []byte(value),
		0)
}
