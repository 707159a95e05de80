package main

// The backends of an agent, as its flag --backend names them.
const (
	nftables = "nftables"
	iptables = "iptables"
)

// ofNftables is a row about something that iptables has nothing like.
type ofNftables interface {
	OnlyNftables() string // what that is; empty: the row is about both
}

// inapplicable says why a row is not about the backend of the agents; empty: it is.
func (l *environment) inapplicable(r row) string {
	only, is := r.(ofNftables)
	if !is || l.backend == nftables || only.OnlyNftables() == "" {
		return ""
	}
	return "iptables has nothing like it: " + only.OnlyNftables()
}

// backendOf is the backend of a node's agent.
func (s *testbed) backendOf(node string) string {
	for _, a := range s.agents {
		if a.node == node {
			return a.backend
		}
	}
	return s.env.backend
}
