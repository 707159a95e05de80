package status

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/picket-project/picket/cmd/inspect/agent"
)

// Fleet says whether all is well on all nodes.
type Fleet struct {
	Nodes    []FleetNode `json:"nodes"`
	Policies int         `json:"policies"` // of the cluster
	Well     int         `json:"well"`     // nodes without anything to do for people
}

// FleetNode is one node of it.
type FleetNode struct {
	Node     string `json:"node"`
	Asked    bool   `json:"asked"` // the agent has answered
	Ready    bool   `json:"ready"`
	NotReady int64  `json:"notReadySeconds,omitempty"`
	Version  string `json:"version,omitempty"`
	Backend  string `json:"backend,omitempty"`
	Pods     int    `json:"pods"`
	// InForce is how many policies are in force there as the API server has them.
	InForce  int      `json:"inForce"`
	Findings []string `json:"findings,omitempty"`
}

// OfFleet looks at all nodes. generations are those of all policies, by namespace/name.
func OfFleet(nodes []Node, generations map[string]int64, now time.Time) Fleet {
	f := Fleet{Nodes: []FleetNode{}, Policies: len(generations)}
	for _, n := range nodes {
		// That there is no answer is a finding by itself.
		at := FleetNode{Node: n.Name, Findings: []string{n.Why}}
		if a := n.Agent; a != nil {
			at = FleetNode{Node: n.Name, Asked: true, Ready: a.Readiness.Ready, Version: a.Version,
				Backend: a.Readiness.Backend, Pods: a.Pods, InForce: upToDate(a, generations),
				Findings: Findings(a)}
			if !a.NotReadySince.IsZero() {
				at.NotReady = int64(now.Sub(a.NotReadySince).Seconds())
			}
			// A policy without a pod here counts, too: the next pod needs it.
			if missing := len(generations) - at.InForce; missing > 0 {
				at.Findings = append(at.Findings, fmt.Sprintf("%d of %d policies are not in force as "+
					"they are now: picket status netpol/NAME", missing, len(generations)))
			}
		}
		// Warnings count: they are for people to see to as well.
		if len(at.Findings) == 0 {
			f.Well++
		}
		f.Nodes = append(f.Nodes, at)
	}
	return f
}

// upToDate counts the policies that are in force as they are now.
func upToDate(a *agent.Status, generations map[string]int64) (n int) {
	// What is deleted and still held is no finding here: it goes in a moment.
	for _, held := range a.Policies {
		if want, there := generations[held.Policy]; there && held.Generation >= want {
			n++
		}
	}
	return n
}

// first is the first of some reasons; without any, that there is none.
func first(reasons map[string]string) string {
	// One is enough where there is little room; the others are told of the node.
	for _, part := range slices.Sorted(maps.Keys(reasons)) {
		return part + ": " + reasons[part]
	}
	return "it does not say why"
}
