package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// result is a line of the table.
type result struct {
	row string
	report
	tally
	took time.Duration
}

// good reports whether all held that must. A row that could not be run says so and is no failure.
func (r *result) good() bool {
	return r.leaked() == 0 && r.broken() == 0 && r.resets == 0 && len(r.faults) == 0
}

// leaked and broken are LEAK and BREAK, without what the product cannot prevent.
func (r *result) leaked() int { return max(0, r.leak+r.ownLoss.leak-r.excused.leak) }

func (r *result) broken() int {
	if r.breakExpected {
		return 0
	}
	return max(0, r.tally.broken+r.ownLoss.broken-r.excused.broken-r.lost)
}

func allGood(results []*result) bool {
	return !slices.ContainsFunc(results, func(r *result) bool { return !r.good() })
}

// mark says in the table which rows have failed.
func (r *result) mark() string {
	if r.good() {
		return ""
	}
	return "FAILED"
}

// tabulate prints the table, and below it what each row has to say.
func tabulate(results []*result) string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w,
		"ROW\tDONE\tLEAK\tBREAK\tRESETS\tLONGEST HOLE\tFLOOR\tLOST BY THE MACHINE\tREPAIR\tTIME\t")
	for _, r := range results {
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%v\t%v\t%d\t%s\t%v\t%s\n", r.row, r.doneText(),
			r.leaked(), r.broken(), r.resets,
			millis(r.hole), millis(r.floor), r.lost, r.repairText(), r.took.Round(time.Second),
			r.mark())
	}
	_ = w.Flush()
	for _, r := range results {
		text.WriteString(r.details())
	}
	return text.String()
}

// details are the notes and faults of a row.
func (r *result) details() string {
	var text strings.Builder
	for _, list := range []struct {
		kind  string
		lines []string
	}{{"skipped", r.reasons()}, {"note", append(r.windows(), r.notes...)}, {"FAULT", r.faults}} {
		for _, line := range list.lines {
			fmt.Fprintf(&text, "%s: %s: %s\n", r.row, list.kind,
				strings.ReplaceAll(strings.TrimSpace(line), "\n", "\n    "))
		}
	}
	return text.String()
}

func (r *result) reasons() []string {
	if r.skipped == "" {
		return nil
	}
	return []string{r.skipped}
}

// windows tells what was excused.
func (r *result) windows() []string {
	if r.excuse == "" {
		return nil
	}
	return []string{fmt.Sprintf("leak %s: %d; broken: %d", r.excuse, r.excused.leak,
		r.excused.broken)}
}
