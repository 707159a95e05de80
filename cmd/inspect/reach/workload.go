package reach

import (
	"net/netip"
	"slices"

	"github.com/picket-project/picket/cmd/inspect/ask"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// workload is the pods of one workload in groups that are decided about alike.
type workload struct {
	key    ask.Workload
	name   string
	pods   int
	host   bool // all of them are on their nodes' network
	groups []ask.Group

	// Of what is outside, and has no groups.
	addrs  []netip.Addr
	ranges []ruleset.Range // that addrs stand for; none: the internet
	named  []policy.Ports  // of the rules about them
	node   string          // whose addresses they are; empty: nobody's
}

// workloads returns the workloads of pods, sorted.
func workloads(c *ask.Cluster, pods []ask.Pod) []workload {
	byKey := map[ask.Workload][]ask.Pod{}
	var keys []ask.Workload
	for _, p := range pods {
		if byKey[p.Workload] == nil {
			keys = append(keys, p.Workload)
		}
		byKey[p.Workload] = append(byKey[p.Workload], p)
	}
	slices.SortFunc(keys, ask.Workload.Compare)
	var all []workload
	for _, k := range keys {
		own := byKey[k]
		isFree := func(p ask.Pod) bool { return !p.Host }
		all = append(all, workload{key: k, name: k.String(), pods: len(own),
			host: !slices.ContainsFunc(own, isFree), groups: c.Groups(own)})
	}
	return all
}

// ports returns the ports that the pods of a workload declare, sorted.
func (w workload) ports() []ask.Port {
	var all []ask.Port
	for _, g := range w.groups {
		all = append(all, g.Rep().Ports...)
	}
	return sortedPorts(all)
}

// parts splits a group whose pods are decided about alike but for their nodes: a pod and its own
// node always reach each other, and the pods of the group itself reach themselves.
func parts(c *ask.Cluster, g ask.Group, other ask.End) []ask.Group {
	split := len(other.Pods) == 0
	for _, p := range other.Pods {
		split = split || p.Host || c.Disputed(p) || slices.ContainsFunc(g.Pods, func(own ask.Pod) bool {
			return own.Key == p.Key
		})
	}
	if !split {
		return []ask.Group{g}
	}
	var all []ask.Group
	for _, p := range g.Pods {
		all = append(all, ask.Group{Pods: []ask.Pod{p}})
	}
	return all
}
