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

// From says what all pods of an end reach: of every workload the ports that it declares, or else
// those that rules and Services name, and whether all others are open, too.
func From(c *ask.Cluster, from ask.End) Reach {
	r := Reach{From: from.Name, Workloads: []Row{}, Outside: []Range{}, Nodes: []string{},
		NotIsolated: []string{}}
	sent := sentPorts(c, from)
	for _, w := range workloads(c, c.Pods) {
		r.Asked++
		row := newRow(w)
		var all []reached
		for _, g := range w.groups {
			ports := portsToAsk(c, g.Rep())
			if len(g.Rep().Ports) == 0 {
				ports = sortedPorts(slices.Concat(ports, sent))
			}
			for _, part := range parts(c, g, from) {
				on := reachedOn(c, from, part, ports)
				if len(on.ports) == 0 {
					continue
				}
				itself := len(from.Pods) == 1 && from.Pods[0].Key == part.Rep().Key
				r.others = r.others || !itself
				all = addReached(all, on)
			}
		}
		if row.addReached(all); row.Pods > 0 {
			r.Workloads = append(r.Workloads, row)
		}
	}
	r.addOutside(c, from)
	return r
}

// sentPorts returns the ports that rules for egress of an end name: what they let through need not
// be named by anything of the receiver.
func sentPorts(c *ask.Cluster, from ask.End) (ports []ask.Port) {
	for _, p := range from.Pods {
		for _, one := range deciding(c, p, ruleset.Egress) {
			ports = append(ports, rulePorts(one.Rules[ruleset.Egress])...)
		}
	}
	return sortedPorts(ports)
}

// reachedOn returns on which of some ports all of an end reaches the pods of a group, and what
// allows it.
func reachedOn(c *ask.Cluster, from ask.End, to ask.Group, ports []ask.Port) reached {
	on := reached{pods: len(to.Pods)}
	// What has no port comes first: a rule that allows it allows every port.
	for _, port := range sortedPorts(append([]ask.Port{{}}, ports...)) {
		flows, all := between(c, from, to.Rep(), port)
		if !all {
			continue
		}
		on.by = joined(on.by, why(c, ruleset.Egress, flows))
		covered := func(have ask.Port) bool { return covers(have, port) }
		if !slices.ContainsFunc(on.ports, covered) {
			on.ports = append(on.ports, port)
		}
	}
	return on
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
