package status

import (
	"fmt"
	"time"

	"github.com/picket-project/picket/cmd/inspect/agent"
)

// Node is a node of the cluster and what its agent says.
type Node struct {
	Name  string
	Agent *agent.Status // nil: it gave no answer
	Why   string        // it gave none
}

// Wanted is a policy as the API server has it, and where it has something to do.
type Wanted struct {
	Policy     string // namespace/name
	Generation int64  // 0: there is no such policy (any more)
	UID        string
	Version    string         // resourceVersion
	Audited    bool           // it denies nothing
	Pods       map[string]int // that it selects, by node
}

// Policy says where a policy is in force.
type Policy struct {
	Policy     string       `json:"policy"`
	Generation int64        `json:"generation"` // 0: it is deleted
	Audited    bool         `json:"audited,omitempty"`
	InForce    int          `json:"inForce"` // on so many nodes, or with nothing to do there
	Nodes      []PolicyNode `json:"nodes"`
}

// PolicyNode is one node of it.
type PolicyNode struct {
	Node  string `json:"node"`
	Pods  int    `json:"pods"` // that the policy selects there
	State State  `json:"state"`
	// Generation is the one in force there; 0: none.
	Generation int64         `json:"generation"`
	Since      time.Time     `json:"since,omitzero"`
	After      time.Duration `json:"after,omitempty"`
	Note       string        `json:"note,omitempty"`
}

// State says whether a policy is in force on a node.
type State string

// Yes and Idle are well; what is not known is not.
const (
	Yes     State = "yes"
	Idle    State = "nothing to do" // it selects no pod there
	No      State = "no"
	Unknown State = "unknown"
)

// Done reports whether the policy is in force wherever it has something to do.
func (p Policy) Done() bool { return p.InForce == len(p.Nodes) }

// Known reports whether any node has the policy.
func (p Policy) Known() bool {
	// A policy that the API server no longer has is known as long as a kernel holds it.
	for _, n := range p.Nodes {
		if n.State == No {
			return true
		}
	}
	return p.Generation != 0
}

// OfPolicy says where a policy is in force, in the order of the nodes.
func OfPolicy(want Wanted, nodes []Node) Policy {
	p := Policy{Policy: want.Policy, Generation: want.Generation, Audited: want.Audited,
		Nodes: []PolicyNode{}}
	for _, n := range nodes {
		at := PolicyNode{Node: n.Name, Pods: want.Pods[n.Name]}
		switch {
		// Without a pod that it selects there is nothing to be known.
		case n.Agent == nil && at.Pods == 0 && want.Generation != 0:
			at.State, at.Note = Idle, "selects no pod here; "+n.Why
		case n.Agent == nil:
			at.State, at.Note = Unknown, n.Why
		// The API server has no such policy, so that no kernel should.
		case want.Generation == 0:
			at.gone(n.Agent, want.Policy)
		default:
			at.compare(n.Agent, want)
		}
		if at.State == Yes || at.State == Idle {
			p.InForce++
		}
		p.Nodes = append(p.Nodes, at)
	}
	return p
}

// gone says whether a policy that is deleted is still in force.
func (n *PolicyNode) gone(a *agent.Status, name string) {
	held, known := a.Policy(name)
	n.Generation, n.Since, n.After = held.Generation, held.Since, held.After
	if n.State, n.Note = Idle, "it is gone"; known {
		n.State, n.Note = No, fmt.Sprintf("deleted, and generation %d is still in force", held.Generation)
	}
}

// compare says whether the version that is wanted is in force.
func (n *PolicyNode) compare(a *agent.Status, want Wanted) {
	// Without a version in force the generation is 0, which is behind every other.
	held, _ := a.Policy(want.Policy)
	n.Generation, n.Since, n.After = held.Generation, held.Since, held.After
	n.Note = held.Problem
	switch {
	case want.isIn(held) && n.Pods == 0:
		n.State = Idle
		if n.Note == "" {
			n.Note = "selects no pod here"
		}
	case want.isIn(held):
		n.State = Yes
	case n.Pods == 0:
		n.State, n.Note = Idle, "selects no pod here"
	default:
		n.State, n.Note = No, behind(held, a)
	}
}

// isIn reports whether what is held is what is wanted, or a newer one that came while the answers were
// collected. The generation alone does not tell: an object that is made anew begins with the first,
// and an annotation, such as that for audit, makes no other.
func (w Wanted) isIn(held agent.Revision) bool {
	return held.ResourceVersion == w.Version ||
		held.UID == w.UID && held.Generation > w.Generation
}

// behind says why a node does not have the version that is wanted.
func behind(held agent.Revision, a *agent.Status) string {
	// The most that is known comes first: an agent that is not ready brings nothing into force.
	has := "has none"
	if held.Generation > 0 {
		has = fmt.Sprintf("has generation %d, which stays in force", held.Generation)
	}
	switch {
	case !a.Readiness.Ready:
		return has + "; its agent is not ready: " + first(a.Readiness.Reasons)
	case held.Waiting > 0:
		return fmt.Sprintf("%s; %d is on its way into the kernel", has, held.Waiting)
	default:
		return has + "; the agent has not heard of the new one yet"
	}
}
