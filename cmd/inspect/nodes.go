package inspect

import (
	"maps"
	"slices"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/compile"
	"github.com/picket-project/picket/ruleset/policy"
)

// Nodes are the programs of all nodes of a cluster, by the name of the node. Pods that no node is
// known of are on the node "".
type Nodes map[string]*ruleset.Program

// NodesOf compiles the program of every node that the objects mention.
func NodesOf(o policy.Objects) Nodes {
	nodes := Nodes{}
	for _, name := range NodeNames(o) {
		nodes[name] = ProgramOf(o, name, Settings{})
	}
	return nodes
}

// NodeNames returns the nodes that the objects mention, sorted. The name is empty for pods that no
// node is known of.
func NodeNames(o policy.Objects) []string {
	names := map[string]bool{}
	for _, n := range o.Nodes {
		names[n.Name] = true
	}
	for _, p := range o.Pods {
		names[p.Spec.NodeName] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Settings are what an agent knows of its node beside the objects. The zero value does for
// questions about who reaches whom.
type Settings struct {
	Denial ruleset.Denial
	Links  []string // the interfaces that the node's pods are behind
	// the backend has nothing to look ports up in; see ruleset.Form
	NoPortMaps bool
}

// ProgramOf compiles the program that the agent of one node would bring into the kernel.
func ProgramOf(o policy.Objects, node string, s Settings) *ruleset.Program {
	snapshot := compile.SnapshotOf(o, node)
	snapshot.Denial, snapshot.Links = s.Denial, linksOf(snapshot, s.Links)
	snapshot.Form.PortMaps = !s.NoPortMaps
	program, _ := compile.Compile(snapshot)
	return program
}

// linksOf puts all pods of the node behind the interface, if there is just one.
func linksOf(s compile.Snapshot, names []string) []ruleset.Link {
	var links []ruleset.Link
	for _, name := range names {
		links = append(links, ruleset.Link{Name: name})
	}
	if len(links) != 1 {
		return links
	}
	for _, p := range s.Pods {
		if p.Node == s.Node {
			links[0].Addrs = append(links[0].Addrs, p.Addrs...)
		}
	}
	return links
}

// Allowed reports whether a pod reaches a port of another one: in every address family that both
// have, and there must be one, the programs of both pods' nodes have to allow it.
func (n Nodes) Allowed(from, to Pod, port Port) bool {
	common := false
	for _, src := range from.Addrs {
		for _, dst := range to.Addrs {
			if ruleset.FamilyOf(src) != ruleset.FamilyOf(dst) {
				continue
			}
			common = true
			flow := ruleset.Flow{From: src, To: dst, Proto: port.Protocol, Port: port.Number}
			// The node of the sender decides about what leaves, that of the receiver what arrives.
			for _, node := range []string{from.Node, to.Node} {
				if verdict, _ := n[node].Decide(flow); verdict == ruleset.Denied {
					return false
				}
			}
		}
	}
	return common
}
