package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"
)

// Row is what one suite said of one variant of the cluster.
type Row struct {
	Date   string `json:"date"` // 2006-01-02
	Commit string `json:"commit"`
	Kernel string `json:"kernel"`
	// Kubernetes is its version, such as 1.37.2.
	Kubernetes string `json:"kubernetes"`
	Variant    string `json:"variant"`
	Suite      string `json:"suite"`
	Passed     int    `json:"passed"`
	Failed     int    `json:"failed"`
	Skipped    int    `json:"skipped"`
	Flaky      int    `json:"flaky"` // of those that passed
	Seconds    int    `json:"seconds"`
	// Notable are the cases that did not just pass, by name.
	Notable []Case `json:"notable,omitempty"`
}

// count adds a case.
func (r *Row) count(c Case) {
	switch c.Outcome {
	case Passed:
		r.Passed++
	case Skipped:
		r.Skipped++
	default:
		r.Failed++
	}
	if c.Flaky {
		r.Flaky++
	}
	if c.notable() {
		r.Notable = append(r.Notable, c)
	}
}

// finish orders what came in any order.
func (r *Row) finish(took time.Duration) {
	r.Seconds = int(took.Round(time.Second).Seconds())
	slices.SortStableFunc(r.Notable, func(a, b Case) int { return cmp.Compare(a.Name, b.Name) })
}

// Summary is the row in a few words.
func (r *Row) Summary() string {
	text := fmt.Sprintf("%d passed, %d failed, %d skipped", r.Passed, r.Failed, r.Skipped)
	if r.Flaky > 0 {
		text += fmt.Sprintf(", %d flaky", r.Flaky)
	}
	return text
}

// minor is the version without its last number: fixes of one release replace each other.
func (r *Row) minor() string {
	if at := strings.LastIndex(r.Kubernetes, "."); at >= 0 {
		return r.Kubernetes[:at]
	}
	return r.Kubernetes
}

// results are all rows, one for every release of Kubernetes, variant and suite.
type results []Row

// put adds a row, or replaces the one of the same release, variant and suite.
func (rs results) put(row Row) results {
	same := func(r Row) bool {
		return r.minor() == row.minor() && r.Variant == row.Variant && r.Suite == row.Suite
	}
	if i := slices.IndexFunc(rs, same); i >= 0 {
		rs = slices.Clone(rs)
		rs[i] = row
		return rs
	}
	return append(slices.Clip(rs), row)
}

// write adds rows to the file of data and prints all of it as RESULTS.md. The data lie beside it,
// with the ending .json.
func write(file string, rows []Row) error {
	data := strings.TrimSuffix(file, ".md") + ".json"
	all, err := readResults(data)
	if err != nil {
		return err
	}
	for _, row := range rows {
		all = all.put(row)
	}
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(data, append(text, '\n'), 0o644),
		os.WriteFile(file, []byte(all.markdown()), 0o644))
}

// readResults reads what earlier runs wrote. There may be nothing.
func readResults(file string) (results, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var rs results
	if err := json.Unmarshal(text, &rs); err != nil {
		return nil, fmt.Errorf("read results %s: %w", file, err)
	}
	return rs, nil
}
