//go:build linux

package cli

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/picket-project/picket/cmd/inspect/agent"
)

// silenceTeller is a source that can fall silent.
type silenceTeller interface {
	Silence() map[string]time.Duration
}

// answerStatus writes what the agent says of itself. It asks neither the loop nor the rules, so that
// it is told of both even where they hang.
func (s *stateServer) answerStatus(w http.ResponseWriter, r *http.Request) {
	health := s.controller.Health
	since := health.Since()
	status := agent.Status{API: agent.API, Version: versionText(), Node: s.node,
		Kernel: kernelRelease(), Started: s.started, Readiness: agent.Readiness(health.Readiness()),
		NotReadySince: since.NotReady, Committed: since.Committed, Repairs: since.Repairs,
		Pods: since.Pods}
	if s.silence != nil {
		status.Silence = s.silence()
	}
	about := r.URL.Query().Get(agent.PolicyQuery)
	for _, revision := range s.controller.Revisions() {
		if about == "" || about == revision.Policy {
			status.Policies = append(status.Policies, agent.Revision(revision))
		}
	}
	// Who waits for one policy asks again and again, and about nothing else.
	if about == "" {
		status.Others, status.OthersUnknown = otherEngines(r.Context(), s.netns)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(status)
}

// answerMetrics writes what Prometheus gets.
func (s *stateServer) answerMetrics(w http.ResponseWriter, r *http.Request) {
	// The handler is that of --health-addr, where the path is another.
	asked := r.Clone(r.Context())
	asked.URL.Path = "/metrics"
	s.controller.Health.Handler().ServeHTTP(w, asked)
}
