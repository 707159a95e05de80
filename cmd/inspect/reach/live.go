package reach

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/picket-project/picket/cmd/inspect/agent"
	"github.com/picket-project/picket/cmd/inspect/ask"
)

// Live is what a change cuts of the connections that are open now.
type Live struct {
	Cuts    []LiveCut `json:"cuts"`
	Open    int       `json:"open"`    // connections that were looked at
	LeftOut int       `json:"leftOut"` // by agents that have too many kinds of them
}

// LiveCut is open connections between two workloads to one port that would be cut.
type LiveCut struct {
	From  string   `json:"from"`
	To    string   `json:"to"`
	Port  string   `json:"port"`
	Flows int      `json:"flows"`
	Nodes []string `json:"nodes"` // that see them
}

// elsewhere is the end of a connection that is no pod's and no node's.
const elsewhere = "outside"

// liveEnd is who has an address.
type liveEnd struct {
	name, node string
}

// CompareLive says which connections the change between two states would cut. A connection between
// two nodes is counted on that of its receiver, if its agent was asked.
func CompareLive(before, after *ask.Cluster, all []agent.Connections) Live {
	live := Live{Cuts: []LiveCut{}}
	// Names are those of now; a change of policies moves no pod.
	ends, asked := endsOf(before), map[string]bool{}
	for _, node := range all {
		asked[node.Node] = true
		live.LeftOut += node.LeftOut
	}
	found := map[liveKey]*LiveCut{}
	for _, node := range all {
		for _, kind := range node.Kinds {
			from, to := ends.at(kind.From), ends.at(kind.To)
			// Both nodes of a connection see it; one of them counts it.
			counter := to.node
			if !asked[counter] {
				counter = from.node
			}
			// Where neither is known, or was asked, whoever sees it counts it.
			if asked[counter] && counter != node.Node {
				continue
			}
			live.Open += kind.Count
			f := kind.Flow()
			// What is denied today already is not cut by the change.
			if !before.Allowed(f) || after.Allowed(f) {
				continue
			}
			key := liveKey{from.name, to.name, ask.Port{Protocol: kind.Proto, Number: kind.Port}.String()}
			if found[key] == nil {
				found[key] = &LiveCut{From: key.From, To: key.To, Port: key.Port}
			}
			found[key].add(kind.Count, node.Node)
		}
	}
	// Equal counts are in the order of names, so that two answers can be compared.
	for _, cut := range found {
		live.Cuts = append(live.Cuts, *cut)
	}
	slices.SortFunc(live.Cuts, func(a, b LiveCut) int {
		return cmp.Or(-cmp.Compare(a.Flows, b.Flows), cmp.Compare(a.From, b.From),
			cmp.Compare(a.To, b.To), cmp.Compare(a.Port, b.Port))
	})
	return live
}

// liveKey is what connections are counted by.
type liveKey struct{ From, To, Port string }

// add counts connections that a node sees.
func (c *LiveCut) add(n int, node string) {
	// A kind can be seen by several nodes, as its workload has pods on each.
	c.Flows += n
	if at, seen := slices.BinarySearch(c.Nodes, node); !seen {
		c.Nodes = slices.Insert(c.Nodes, at, node)
	}
}

// liveEnds says who has which address.
type liveEnds map[netip.Addr]liveEnd

// endsOf looks up the addresses of pods and nodes. Of two pods with one address neither is named.
func endsOf(c *ask.Cluster) liveEnds {
	ends := liveEnds{}
	for _, node := range c.NodeNames() {
		addrs, _ := c.NodeAddrs(node)
		for _, a := range addrs {
			ends[a] = liveEnd{"node/" + node, node}
		}
	}
	// Pods on their node's network have the node's name.
	for _, p := range c.Pods {
		for _, a := range p.Addrs {
			switch _, taken := ends[a]; {
			case p.Host:
			case taken:
				ends[a] = liveEnd{a.String(), ""}
			default:
				ends[a] = liveEnd{p.Workload.String(), p.Node}
			}
		}
	}
	return ends
}

// at is who has an address.
func (e liveEnds) at(a netip.Addr) liveEnd {
	if end, known := e[a]; known {
		return end
	}
	return liveEnd{name: elsewhere}
}
