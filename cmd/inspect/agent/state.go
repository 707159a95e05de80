// Package agent is what an agent says of its node when a verb asks it: the rules that it wants, what
// the kernel was found to hold, and how often each pod's rules have denied. It travels as JSON over a
// socket of the node that root alone may use, and that only answers.
//
//	verb ─► Socket, in the node's network namespace ─► agent ─► State ─► PodRules ─► print
package agent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

const (
	// API is the version of State. Fields are added without another number.
	API = 1
	// Socket is the address of a Unix socket in the abstract namespace: it has no file, and each
	// network namespace has its own.
	Socket = "@picket/agent"
	// StatePath is the path of State on the HTTP server behind the socket.
	StatePath = "/v1/state"
	// RelayVerb is the verb of the agent's program that connects its standard input and output with
	// the socket.
	RelayVerb = "relay"
)

// State is what an agent knows of its node.
type State struct {
	API      int               `json:"api"`
	Version  string            `json:"version"` // of the agent
	Node     string            `json:"node"`
	Program  *ruleset.Program  `json:"program"`  // what the kernel should hold
	Observed *ruleset.Observed `json:"observed"` // what it holds
	// Denied is how many packets each chain has denied since it got its rules.
	Denied map[ruleset.ChainID]uint64 `json:"denied"`
	// Audited is how many it let through that audited policies would deny.
	Audited map[ruleset.ChainID]uint64 `json:"audited"`
	// Backend is what holds the rules, nftables or iptables, and Can names what its kernel can do for
	// them, as metrics do. Both are empty of an agent of before.
	Backend string   `json:"backend,omitempty"`
	Can     []string `json:"can,omitempty"`
}

// Check returns an error if this program can't read the state, or nobody can follow its rules.
func (s *State) Check() error {
	if s.API == API && s.Program != nil && s.Observed != nil {
		if err := checkCalls(s.Program); err != nil {
			return fmt.Errorf("the rules that the agent of %s says it wants: %w", s.Node, err)
		}
		return nil
	}
	return fmt.Errorf("the agent is of version %s and speaks version %d of the interface, this program "+
		"speaks %d; use the picket program of the agent's version", s.Version, s.API, API)
}

// Differences lists what would have to change so that the kernel holds what it should, a change a
// line; none if it does.
func (s *State) Differences() ruleset.Delta { return ruleset.Diff(*s.Observed, s.Program) }

// DifferenceLines is Differences as text, a line each, up to a number of them.
func (s *State) DifferenceLines(most int) (lines []string) {
	d := s.Differences()
	for line := range strings.Lines(d.String()) {
		if len(lines) == most {
			return append(lines, "and more")
		}
		lines = append(lines, strings.TrimRight(line, "\n"))
	}
	return lines
}

// Pods names the pods of the node that are isolated or audited in a direction, sorted.
func (s *State) Pods() []string {
	var names []string
	for _, c := range s.Program.Chains {
		if c.Subject != "" {
			names = append(names, c.Subject)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
