package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// report is what a row says of itself while it runs.
type report struct {
	actions       []string // what was done, with counts
	faults        []string // what did not hold
	notes         []string
	skipped       string // why nothing was done; empty: it was
	repairs       []time.Duration
	ownLoss       loss   // of what the row sends beside the flows that all rows have
	excused       loss   // in windows that the product cannot close
	excuse        string // what these windows are
	breakExpected bool   // BREAK is the fault itself, so it is only told
}

// loss is LEAK and BREAK of a span of time.
type loss struct{ leak, broken int }

func (r *report) done(format string, args ...any) {
	r.actions = append(r.actions, fmt.Sprintf(format, args...))
}

// note says something once.
func (r *report) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(r.notes, text) {
		r.notes = append(r.notes, text)
	}
}

// fault says that something does not hold that must.
func (r *report) fault(format string, args ...any) {
	r.faults = append(r.faults, fmt.Sprintf(format, args...))
}

// skip says that the row cannot be run here.
func (r *report) skip(format string, args ...any) { r.skipped = fmt.Sprintf(format, args...) }

// repairText is the longest and the median time until things were right again; empty where nothing
// was repaired.
func (r *report) repairText() string {
	if len(r.repairs) == 0 {
		return ""
	}
	sorted := slices.Sorted(slices.Values(r.repairs))
	return fmt.Sprintf("%v (median %v of %d)", millis(sorted[len(sorted)-1]),
		millis(sorted[len(sorted)/2]), len(sorted))
}

func millis(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

func (r *report) doneText() string {
	if r.skipped != "" {
		return "SKIPPED"
	}
	return strings.Join(r.actions, ", ")
}
