package why

import (
	"fmt"
	"slices"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/ruleset"
)

// Kernel is what the node that decides about one direction really does.
type Kernel struct {
	Direction string `json:"direction"`
	Node      string `json:"node"`
	Asked     bool   `json:"asked"`
	Why       string `json:"why,omitempty"` // it could not be asked
	Verdict   string `json:"verdict,omitempty"`
	Chain     string `json:"chain,omitempty"`
	Denied    uint64 `json:"denied"` // packets that the pod's rules have denied, from whomever
	// Agrees says that the kernel does what the policies say.
	Agrees bool `json:"agrees"`
	// Differs lists what the kernel holds otherwise than its agent wants: of the subject, then of all.
	Differs []string `json:"differs,omitempty"`
}

// Nodes are those whose agents can be asked about an answer, sorted.
func (a Answer) Nodes() (nodes []string) {
	for _, h := range a.Directions {
		if h.Node != "" {
			nodes = append(nodes, h.Node)
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// Compare adds what the kernels of the nodes do, in the order of the directions, and says so where
// one does otherwise than the policies say.
func (a *Answer) Compare(states []agent.Answer[*agent.State]) {
	for _, h := range a.Directions {
		for _, s := range states {
			// Only the node of the subject decides about its packets.
			if h.Node == "" || s.Node != h.Node {
				continue
			}
			k := Kernel{Direction: h.Direction, Node: h.Node}
			if k.Asked = s.Err == nil; s.Err != nil {
				k.Why = s.Err.Error()
			} else {
				k.compare(h, a.flow, s.Value)
			}
			a.Kernel = append(a.Kernel, k)
		}
	}
}

// mostDiffers is how many lines are kept of what a whole node holds otherwise.
const mostDiffers = 20

// compare has the program that the kernel should hold decide, and looks for what it holds otherwise.
func (k *Kernel) compare(h Half, f ruleset.Flow, s *agent.State) {
	d := ruleset.Ingress
	if h.Direction == ruleset.Egress.String() {
		d = ruleset.Egress
	}
	// What the agent wants decides; whether the kernel holds that is said by the differences.
	decision := s.Program.DecideIn(d, f)
	k.Verdict, k.Chain = Allowed, string(decision.Chain)
	if decision.Verdict == ruleset.Denied {
		k.Verdict = Denied
	}
	// The counter is the chain's, which counts the packets of all senders.
	k.Denied = s.Denied[decision.Chain]
	// The pod's own rules decide nothing if no packet is led to them, or sets have other members.
	all := s.Differences()
	k.Differs = append(s.PodRules(h.Subject).Differs, s.DifferenceLines(mostDiffers)...)
	// Both must hold: the right rules are wanted, and they are there.
	k.Agrees = k.Verdict == h.Verdict && len(k.Differs) == 0 && all.Empty()
}

// Disagreement says where a kernel does otherwise than the policies say; empty: nowhere, as far as
// could be asked.
func (a Answer) Disagreement() []string {
	var lines []string
	for _, k := range a.Kernel {
		if !k.Asked || k.Agrees {
			continue
		}
		// Rules that somebody has changed say more than what they should decide.
		if len(k.Differs) > 0 {
			lines = append(lines, fmt.Sprintf("%s does not hold the rules that it should: %s", k.Node,
				k.Differs[0]))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s has it %s for %s: picket status node/%[1]s", k.Node,
			k.Verdict, k.Direction))
	}
	return lines
}
