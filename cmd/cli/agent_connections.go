//go:build linux

package cli

import (
	"encoding/json"
	"net/http"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/controller/conntrack"
)

// mostKinds is how many kinds of connections an answer has room for: some 5 MB while it is made.
const mostKinds = 50_000

// answerConnections writes what is open through this node.
func (s *stateServer) answerConnections(w http.ResponseWriter, r *http.Request) {
	// One answer at a time is enough, as each looks at the whole table.
	s.mu.Lock()
	defer s.mu.Unlock()
	counter := agent.Counter{Most: mostKinds}
	// The sockets cost nothing until somebody asks again.
	table, err := conntrack.OpenIn(s.netns)
	if err == nil {
		err = table.Each(r.Context(), counter.Add)
		table.Close()
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	answer := agent.Connections{API: agent.API, Version: versionText(), Node: s.node}
	answer.Kinds, answer.LeftOut = counter.Result()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer)
}
