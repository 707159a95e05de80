package reach

import (
	"slices"
	"strings"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/cmd/inspect/likely"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Row is a workload that reaches a target, or that is reached.
type Row struct {
	Workload  string   `json:"workload"` // shop/api (Deployment)
	Pods      int      `json:"pods"`     // of the workload that reach it, or are reached
	Of        int      `json:"of"`       // pods that the workload has
	Ports     []string `json:"ports"`    // tcp/8080
	Parts     []Part   `json:"parts"`    // of Pods, where they are not all reached on the same ports
	AllowedBy []string `json:"allowedBy"`
}

// newRow is the row of a workload of which no pod counts yet.
func newRow(w workload) Row {
	return Row{Workload: w.name, Of: w.pods, Ports: []string{}, Parts: []Part{},
		AllowedBy: []string{}}
}

// Access is who reaches a target.
type Access struct {
	To          string   `json:"to"`
	Port        string   `json:"port"`
	Workloads   []Row    `json:"workloads"`
	Asked       int      `json:"asked"` // workloads that were asked about
	Outside     []Range  `json:"outside"`
	Nodes       []string `json:"nodes"`       // whose own processes always reach it
	Unused      []string `json:"unused"`      // labels that would get in, and that no pod has
	UnusedWhy   []string `json:"unusedWhy"`   // what else is known of each of these; may be empty
	NotIsolated []string `json:"notIsolated"` // pods of the target that no policy isolates
}

// NotIsolated stands where a rule would stand, if no policy isolates the pod.
const NotIsolated = "not isolated"

// Audited stands where a rule would stand, if audited policies would deny it were they enforced.
const Audited = "audited"

// WhoCan says which workloads reach all that the target is, and which addresses outside.
func WhoCan(c *ask.Cluster, to ask.Target) Access {
	a := Access{To: to.Name, Port: to.Port, Workloads: []Row{}, Outside: []Range{},
		Nodes: []string{}, Unused: []string{}, UnusedWhy: []string{}, NotIsolated: []string{}}
	for _, w := range workloads(c, c.Pods) {
		a.Asked++
		row := newRow(w)
		row.Ports = append(row.Ports, to.Port)
		for _, g := range w.groups {
			a.addGroup(c, g, to, &row)
		}
		if row.Pods > 0 {
			a.Workloads = append(a.Workloads, row)
		}
	}
	a.addOutside(c, to)
	return a
}

// addGroup counts the pods of a group that reach the target.
func (a *Access) addGroup(c *ask.Cluster, g ask.Group, to ask.Target, row *Row) {
	// Pods that are alike are asked about once, but for their nodes.
	for _, part := range parts(c, g, to.End) {
		// All pods of the target have to be reached.
		allowed := true
		for _, t := range to.Asks {
			if t.Pod != nil && t.Pod.Key == part.Rep().Key && len(to.Asks) > 1 {
				continue // a pod reaches itself, whatever the policies
			}
			allowed = allowed && c.AllAllowed(ask.Flows(part.Rep().Addrs, t.Addrs, t.Port))
		}
		if allowed {
			row.Pods += len(part.Pods)
			// The rules for the first pod of the target stand for all.
			t := to.Asks[0]
			row.note(why(c, ruleset.Ingress, ask.Flows(part.Rep().Addrs, t.Addrs, t.Port)))
		}
	}
}

// note adds what allows something, each once.
func (r *Row) note(rules []string) {
	for _, rule := range rules {
		if !slices.Contains(r.AllowedBy, rule) {
			r.AllowedBy = append(r.AllowedBy, rule)
		}
	}
}

// why returns the rules that allow a flow in a direction, or what else does. Where nothing isolates
// the subject of that direction it is what the other one says.
func why(c *ask.Cluster, d ruleset.Direction, flows []ruleset.Flow) []string {
	if len(flows) == 0 {
		return nil
	}
	// Both families are allowed, mostly by the same rules.
	if rules := reasons(c, d, flows[0]); len(rules) > 0 {
		return rules
	}
	if rules := reasons(c, 1-d, flows[0]); len(rules) > 0 {
		return rules
	}
	return []string{NotIsolated}
}

// reasons returns what allows a flow in one direction; none where nothing isolates the subject.
func reasons(c *ask.Cluster, d ruleset.Direction, f ruleset.Flow) []string {
	h := c.Decide(d, f)
	switch {
	case h.Decision.Own:
		return []string{"its own node"}
	case h.Decision.Audited:
		return []string{Audited}
	}
	var rules []string
	for _, o := range h.Decision.Reason {
		if o.Policy == "" {
			rules = append(rules, "itself")
			continue
		}
		_, name, _ := strings.Cut(o.String(), "/")
		rules = append(rules, name)
	}
	return rules
}

// addOutside adds what is no pod: ranges, nodes, and the labels that nobody has.
func (a *Access) addOutside(c *ask.Cluster, to ask.Target) {
	var lists [][]Range
	for _, t := range to.Asks {
		if t.Pod == nil || t.Pod.Host {
			continue
		}
		if t.Pod.Node != "" && !slices.Contains(a.Nodes, t.Pod.Node) {
			a.Nodes = append(a.Nodes, t.Pod.Node)
		}
		// Then everybody is allowed, and no rule can say so.
		if len(c.Isolating(*t.Pod, ruleset.Ingress)) == 0 {
			a.NotIsolated = append(a.NotIsolated, t.Pod.Key.String())
		}
		lists = append(lists, outside(c, *t.Pod, ruleset.Ingress, &t.Port))
		for _, s := range unused(c, *t.Pod, t.Port) {
			if !slices.Contains(a.Unused, s.String()) {
				a.Unused = append(a.Unused, s.String())
				a.UnusedWhy = append(a.UnusedWhy, likely.Nobody(c, s))
			}
		}
	}
	// All pods of the target have to be reached.
	a.Outside = inCommon(lists)
	slices.Sort(a.Nodes)
}

// unused returns the peers that rules allow a port of a pod, and that no pod is.
func unused(c *ask.Cluster, p ask.Pod, port ask.Port) (peers []*policy.Selector) {
	for _, one := range c.Isolating(p, ruleset.Ingress) {
		for _, r := range one.Rules[ruleset.Ingress] {
			if !allowsPort(r, p, ruleset.Ingress, &port) {
				continue
			}
			for _, s := range r.Pods {
				is := func(p ask.Pod) bool { return c.Selects(s, p) }
				if !slices.ContainsFunc(c.Pods, is) {
					peers = append(peers, s)
				}
			}
		}
	}
	return peers
}
