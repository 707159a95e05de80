//go:build linux

package cli

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller/conntrack"
)

// mostKinds is how many kinds of connections an answer has room for: some 5 MB while it is made.
const mostKinds = 50_000

// answerConnections writes what is open through this node.
func (s *stateServer) answerConnections(w http.ResponseWriter, r *http.Request) {
	answer, err := s.connections(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}

// connections counts what is open. One look at a time is enough, as each is at the whole table.
func (s *stateServer) connections(ctx context.Context) (*agent.Connections, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The sockets cost nothing until somebody asks again.
	table, err := conntrack.OpenIn(s.netns)
	if err != nil {
		return nil, err
	}
	defer table.Close()
	counter := agent.Counter{Most: mostKinds}
	if err := table.Each(ctx, counter.Add); err != nil {
		return nil, err
	}
	answer := &agent.Connections{API: agent.API, Version: versionText(), Node: s.node}
	answer.Kinds, answer.LeftOut = counter.Result()
	return answer, nil
}
