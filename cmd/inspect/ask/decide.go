package ask

import (
	"math"
	"net/netip"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// Half is the decision about a flow in one direction, and who made it.
type Half struct {
	Decision ruleset.Decision
	Node     string // that decided; empty if no pod has the subject's address
}

// Denied reports whether the flow is denied in this direction.
func (h Half) Denied() bool { return h.Decision.Verdict == ruleset.Denied }

// Decide says what the nodes of a flow's subject decide in one direction: the first denial, or else
// what says most about why it is allowed.
func (c *Cluster) Decide(d ruleset.Direction, f ruleset.Flow) Half {
	subject, peer := d.Ends(f)
	best := Half{Decision: ruleset.Decision{Direction: d, Verdict: ruleset.Allowed}}
	for i, node := range c.claims[subject] {
		h := Half{c.programFor(node, subject, peer).DecideIn(d, f), node}
		if h.Denied() {
			return h
		}
		if i == 0 || best.Decision.Chain == "" || h.Decision.Audited {
			best = h
		}
	}
	return best
}

// programFor returns a program that decides about a subject of a node and a peer: the one of all
// nodes together where it does not matter which node it is, since that one is compiled only once.
func (c *Cluster) programFor(node string, subject, peer netip.Addr) *ruleset.Program {
	if c.isPlain(subject) && (c.isPlain(peer) || c.statements[peer] == 0) {
		return c.program(everyNode)
	}
	return c.program(node)
}

// isPlain reports whether an address is one pod's, and nobody can doubt it.
func (c *Cluster) isPlain(a netip.Addr) bool { return c.plain[a] }

// everyNode stands for all nodes together; no node can have this name.
const everyNode = "every node"

// program returns the program of a node, which is compiled when it is asked for first.
func (c *Cluster) program(node string) *ruleset.Program {
	if p, made := c.programs[node]; made {
		return p
	}
	s := c.snapshot
	if s.Node = node; node == everyNode {
		s = c.together()
	}
	p, _ := compile.Compile(s)
	c.programs[node] = p
	return p
}

// unlimited is more than any policies need.
var unlimited = compile.Need{Members: math.MaxInt, Sets: math.MaxInt, Rules: math.MaxInt,
	Longest: math.MaxInt}

// together returns the snapshot of one node that has all pods whose addresses nobody doubts, and
// the ranges of all nodes. It has no address, so that nothing is allowed because it is the node.
func (c *Cluster) together() compile.Snapshot {
	s := c.snapshot
	// Addresses outside of all ranges were looked at when disputes were found.
	s.Node, s.Anywhere = everyNode, true
	// What one tenant may take of a node does not hold of all of them together.
	s.Budgets = compile.DefaultBudgets()
	s.Budgets.Namespace, s.Budgets.Node = unlimited, unlimited
	s.Nodes = append(s.Nodes[:len(s.Nodes):len(s.Nodes)],
		policy.Node{Name: everyNode, CIDRs: c.PodRanges()})
	s.Pods = nil
	for _, p := range c.snapshot.Pods {
		// A disputed pod stays on its node, whose own program decides about it.
		if !c.disputed[p.Key] {
			p.Node = everyNode
		}
		s.Pods = append(s.Pods, p)
	}
	return s
}

// Allowed reports whether a flow gets all the way: out of its sender and into its receiver.
func (c *Cluster) Allowed(f ruleset.Flow) bool {
	return !c.Decide(ruleset.Egress, f).Denied() && !c.Decide(ruleset.Ingress, f).Denied()
}

// Audits reports whether a flow gets all the way, and audited policies would deny it on its way.
func (c *Cluster) Audits(f ruleset.Flow) bool {
	out, in := c.Decide(ruleset.Egress, f), c.Decide(ruleset.Ingress, f)
	return !out.Denied() && !in.Denied() && (out.Decision.Audited || in.Decision.Audited)
}

// Flows returns the flows between addresses of one family.
func Flows(from, to []netip.Addr, port Port) []ruleset.Flow {
	var flows []ruleset.Flow
	for _, a := range from {
		for _, b := range to {
			if ruleset.FamilyOf(a) == ruleset.FamilyOf(b) {
				flows = append(flows, port.Flow(a, b))
			}
		}
	}
	return flows
}

// AllAllowed reports whether there is a flow and every one gets all the way.
func (c *Cluster) AllAllowed(flows []ruleset.Flow) bool {
	for _, f := range flows {
		if !c.Allowed(f) {
			return false
		}
	}
	return len(flows) > 0
}
