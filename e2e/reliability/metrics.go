package main

import "fmt"

// metrics are the values of /metrics by name.
type metrics map[string]float64

const (
	memory      = "process_resident_memory_bytes"
	goroutines  = "go_goroutines"
	descriptor  = "process_open_fds"
	commits     = "picket_commit_seconds"
	megabyte    = 1 << 20
	memoryNoise = 8 * megabyte // what a garbage collector may leave at one time and not at another
)

// metrics asks an agent for its metrics.
func (a *agent) metrics() (metrics, error) {
	all, err := a.client().Metrics()
	if err == nil && all[memory] == 0 {
		err = fmt.Errorf("the agent of %s does not say how much memory it has", a.node)
	}
	return all, err
}
