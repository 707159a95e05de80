package main

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// metrics are the values of /metrics by name; only those without labels.
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
	response, err := a.get("/metrics")
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	all := metrics{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil && !strings.HasPrefix(name, "#") {
			all[name] = value
		}
	}
	if all[memory] == 0 {
		return all, fmt.Errorf("the agent of %s does not say how much memory it has", a.node)
	}
	return all, nil
}
