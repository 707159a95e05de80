package controller

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Health is what a controller says about itself over HTTP.
type Health struct {
	mu       sync.Mutex        // guards the fields below
	reasons  map[string]string // why the node is not ready, by part: sync, kernel, host, source
	warnings map[string]string // what is wrong without that
	pending  map[string]string // what is being found out, by whom
	bad      map[string]string // policies, and namespaces, that do not work wholly
	commits  int
	since    Since
	table    string // who can change the rules; empty: not known yet
	lacks    []string
	backend  string // what holds the rules
	because  string // why it does
	counted  time.Time
	busy     time.Time // since when the loop has been at one thing; zero: it waits
	metrics  *metrics
}

// newHealth returns the health of a node that has not heard from its source and holds no rules.
func newHealth() *Health {
	h := &Health{
		reasons: map[string]string{}, warnings: map[string]string{}, pending: map[string]string{},
		bad: map[string]string{},
	}
	h.metrics = newMetrics(h.Readiness)
	h.set("sync", "the source has not said yet all that there is")
	h.set("kernel", "no ruleset has been committed yet")
	return h
}

// set says why a part keeps the node from being ready; an empty reason says that it does not. It
// reports whether that is new.
func (h *Health) set(part, reason string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.reasons[part]
	if reason == "" {
		delete(h.reasons, part)
	} else {
		h.reasons[part] = reason
	}
	h.noteReady()
	return old != reason
}

// setPending says what a part is finding out; an empty text says that it is known.
func (h *Health) setPending(part, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if delete(h.pending, part); text != "" {
		h.pending[part] = text
	}
}

// complaints takes over what a source could not read.
func (h *Health) complaints(blind bool, list map[string]string) {
	h.warn("source", list)
	reason := ""
	if blind && len(list) > 0 {
		reason = "not everything could be read: " +
			list[slices.Min(slices.Collect(maps.Keys(list)))]
	}
	h.set("source", reason)
	h.metrics.complaints.Set(float64(len(list)))
}

// policy takes over what is wrong with one policy; an empty text says that nothing is.
func (h *Health) policy(key policy.Key, text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	kind, name := kindOf(key)
	delete(h.bad, kind+" "+name)
	if text != "" {
		h.bad[kind+" "+name] = shortened(text)
	}
	h.metrics.badPolicies.Set(float64(len(h.bad)))
}

// beyond takes over for how many policies there is not enough room.
func (h *Health) beyond(policies int) { h.metrics.beyond.Set(float64(policies)) }

// firstOf returns the first keys of a map in their order.
func firstOf(all map[string]string, most int) []string {
	keys := slices.Sorted(maps.Keys(all))
	return keys[:min(most, len(keys))]
}

// disputes takes over how many addresses are disputed, and what is said of some.
func (h *Health) disputes(count int, texts map[string]string) {
	h.warn("address", texts)
	h.metrics.disputed.Set(float64(count))
}

// warn replaces the warnings of one kind. It reports whether there are new ones.
func (h *Health) warn(kind string, list map[string]string) (news bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := maps.Clone(h.warnings)
	// The name of a warning is its kind, a blank, and what it is about.
	maps.DeleteFunc(h.warnings, func(name, _ string) bool {
		return strings.HasPrefix(name, kind+" ")
	})
	for name, text := range list {
		name = kind + " " + name
		h.warnings[name], news = text, news || before[name] != text
	}
	return news
}

// guarded takes over whether the kernel refuses changes by others.
func (h *Health) guarded(owned bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.table = "watched"
	if owned {
		h.table = "owned"
	}
}

// backendIs takes over what holds the rules, and why.
func (h *Health) backendIs(name, because string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.backend, h.because = name, because; name != "" {
		h.metrics.backend.WithLabelValues(name, because).Set(1)
	}
}

// features takes over what the kernel can do for the rules.
func (h *Health) features(list []ruleset.Feature) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lacks = nil
	for _, f := range list {
		h.metrics.feature(f)
		if !f.Here {
			h.lacks = append(h.lacks, f.Lack())
		}
	}
}

// cut counts connections that were cut now, and those that are.
func (h *Health) cut(now, all int) {
	h.metrics.cuts.Add(float64(now))
	h.metrics.cut.Set(float64(all))
}

// committed counts a transaction (or a recheck that found nothing to do), as soon as the kernel has
// it.
func (h *Health) committed(d ruleset.Delta, took time.Duration, changed time.Time) {
	h.mu.Lock()
	h.commits++
	// A recheck that finds nothing to do changes no rule.
	if !d.Empty() {
		h.since.Committed = time.Now()
	}
	h.mu.Unlock()
	// A recheck that found nothing to do counts as a commit, but not as a transaction.
	if d.Empty() {
		return
	}
	h.metrics.transactions.WithLabelValues("committed").Inc()
	h.metrics.commit.Observe(took.Seconds())
	if !changed.IsZero() {
		h.metrics.latency.Observe(time.Since(changed).Seconds())
	}
}

// count takes over how much there is, at most once a second.
func (h *Health) count(counts func() graph.Counts) {
	h.mu.Lock()
	due := time.Since(h.counted) > time.Second
	if due {
		h.counted = time.Now()
	}
	h.mu.Unlock()
	if due {
		c := counts()
		h.metrics.count(c)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.since.Pods = c.LocalPods
	}
}

// failed counts a transaction that the kernel refused.
func (h *Health) failed() { h.metrics.transactions.WithLabelValues("failed").Inc() }

// drifted counts that the kernel did not hold what was committed.
func (h *Health) drifted() {
	h.metrics.drift.Inc()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.since.Repairs++
}

// work says that the loop is at something, from now on if it was idle.
func (h *Health) work() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.busy.IsZero() {
		h.busy = time.Now()
	}
}

// idle says that the loop waits.
func (h *Health) idle() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.busy = time.Time{}
}

// slow is how long the loop may be at one thing before people are told. All but very large changes
// take well under a second.
const slow = 5 * time.Second

// isBusy reports whether the loop has been at one thing for so long. The caller holds the lock.
func (h *Health) isBusy() bool { return !h.busy.IsZero() && time.Since(h.busy) >= slow }

// started reports whether a ruleset was committed.
func (h *Health) started() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.commits > 0
}

// Readiness is what /readyz answers.
type Readiness struct {
	Ready    bool              `json:"ready"`
	Reasons  map[string]string `json:"reasons,omitempty"`  // why not, by part
	Warnings map[string]string `json:"warnings,omitempty"` // what is wrong besides
	Pending  map[string]string `json:"pending,omitempty"`  // what is being found out, by part
	// owned: the kernel refuses changes by others; watched: they are repaired
	Table   string `json:"table,omitempty"`
	Backend string `json:"backend,omitempty"` // what holds the rules: nftables or iptables
	Because string `json:"because,omitempty"` // why that one does
	// what the kernel can't do for the rules, and what is done instead
	KernelLacks []string `json:"kernelLacks,omitempty"`
}

// Readiness says whether the first ruleset is committed, and the kernel agrees and answers.
func (h *Health) Readiness() Readiness {
	h.mu.Lock()
	defer h.mu.Unlock()
	reasons := maps.Clone(h.reasons)
	// A loop that hangs cannot say so itself; this runs on another goroutine.
	if h.isBusy() {
		reasons["busy"] = fmt.Sprintf("busy with one thing for %d s: the kernel does not answer, "+
			"or it is a very large change", int(time.Since(h.busy).Seconds()))
	}
	warnings := maps.Clone(h.warnings)
	policyWarnings(warnings, h.bad)
	return Readiness{Ready: len(reasons) == 0, Reasons: reasons, Warnings: warnings,
		Pending: maps.Clone(h.pending), Table: h.table, Backend: h.backend, Because: h.because,
		KernelLacks: slices.Clone(h.lacks)}
}

// Handler serves /healthz, /readyz and /metrics.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("/readyz", h.serveReadiness)
	mux.Handle("/metrics", promhttp.HandlerFor(h.metrics.registry, promhttp.HandlerOpts{}))
	return mux
}

// serveReadiness answers with status 200 or 503 and a Readiness in JSON.
func (h *Health) serveReadiness(w http.ResponseWriter, _ *http.Request) {
	r := h.Readiness()
	w.Header().Set("Content-Type", "application/json")
	if !r.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(r)
}
