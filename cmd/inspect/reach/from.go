package reach

import (
	"slices"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
)

// Reach is what an end reaches.
type Reach struct {
	From        string   `json:"from"`
	Workloads   []Row    `json:"workloads"`
	Asked       int      `json:"asked"`   // workloads that were asked about
	Outside     []Range  `json:"outside"` // on any port
	Nodes       []string `json:"nodes"`   // that are always reached
	NotIsolated []string `json:"notIsolated"`
	others      bool     // another pod than the one that asks is reached
}

// Nothing reports whether the end reaches nothing but itself and the nodes.
func (r Reach) Nothing() bool { return !r.others && len(r.Outside) == 0 }

// EveryPort stands for all ports and protocols, ICMP too.
const EveryPort = "every port"

// From says what all pods of an end reach: of every workload the ports that it declares, and
// whether all others are open, too.
func From(c *ask.Cluster, from ask.End) Reach {
	r := Reach{From: from.Name, Workloads: []Row{}, Outside: []Range{}, Nodes: []string{},
		NotIsolated: []string{}}
	for _, w := range workloads(c, c.Pods) {
		r.Asked++
		row := Row{Workload: w.name, Of: w.pods, Ports: []string{}, AllowedBy: []string{}}
		for _, g := range w.groups {
			for _, part := range parts(c, g, from) {
				reached := row.addPorts(c, from, part)
				itself := len(from.Pods) == 1 && from.Pods[0].Key == part.Rep().Key
				r.others = r.others || reached && !itself
			}
		}
		if row.Pods > 0 {
			r.Workloads = append(r.Workloads, row)
		}
	}
	r.addOutside(c, from)
	return r
}

// addPorts adds the ports of a group that all of an end reaches, and reports whether there are any.
func (row *Row) addPorts(c *ask.Cluster, from ask.End, g ask.Group) (reached bool) {
	// What has no port comes first: a rule that allows it allows every port.
	for _, port := range append([]ask.Port{{}}, g.Rep().Ports...) {
		flows, all := between(c, from, g.Rep(), port)
		if !all {
			continue
		}
		reached = true
		name := port.String()
		if port.Protocol == ruleset.AnyProtocol {
			name = EveryPort
		}
		if !slices.Contains(row.Ports, name) && !slices.Contains(row.Ports, EveryPort) {
			row.Ports = append(row.Ports, name)
		}
		row.note(why(c, ruleset.Egress, flows))
	}
	if reached {
		row.Pods += len(g.Pods)
	}
	return reached
}

// between returns the flows from an end to a pod, and whether there are some and all are allowed.
// Of an end of several pods the pod itself does not count.
func between(c *ask.Cluster, from ask.End, to ask.Pod, port ask.Port) (
	flows []ruleset.Flow, all bool,
) {
	all = true
	for _, p := range from.Points() {
		if p.Pod != nil && p.Pod.Key == to.Key && len(from.Pods) > 1 {
			continue
		}
		some := ask.Flows(p.Addrs, to.Addrs, port)
		all = all && c.AllAllowed(some)
		flows = append(flows, some...)
	}
	return flows, all && len(flows) > 0
}

// addOutside adds what is no pod.
func (r *Reach) addOutside(c *ask.Cluster, from ask.End) {
	var lists [][]Range
	for _, p := range from.Pods {
		if p.Host {
			continue
		}
		if p.Node != "" && !slices.Contains(r.Nodes, p.Node) {
			r.Nodes = append(r.Nodes, p.Node)
		}
		if len(c.Isolating(p, ruleset.Egress)) == 0 {
			r.NotIsolated = append(r.NotIsolated, p.Key.String())
		}
		lists = append(lists, outside(c, p, ruleset.Egress, nil))
	}
	r.Outside = inCommon(lists)
	slices.Sort(r.Nodes)
}
