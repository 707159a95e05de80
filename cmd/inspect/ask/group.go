package ask

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
)

// Group is pods of one workload that every policy treats alike.
type Group struct {
	Pods []Pod // one at least
}

// Rep is the pod that is asked about.
func (g Group) Rep() Pod { return g.Pods[0] }

// Groups sorts pods into those that every policy treats alike, in the order of the pods.
func (c *Cluster) Groups(pods []Pod) []Group {
	var groups []Group
	at := map[string]int{}
	for _, p := range pods {
		key := c.Alike(p)
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key] = i
			groups = append(groups, Group{})
		}
		groups[i].Pods = append(groups[i].Pods, p)
	}
	return groups
}

// Alike returns a text that is the same for pods that every policy treats alike: all that
// selectors, port names and ipBlocks can look at. A pod whose address is not its own alone, or is a
// node's, is like none but itself.
func (c *Cluster) Alike(p Pod) string {
	if p.Host || c.disputed[p.Key] {
		return "pod " + p.Key.String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s|%s|", p.Namespace, p.Workload)
	for _, key := range slices.Sorted(maps.Keys(p.Labels)) {
		fmt.Fprintf(&b, "%s=%s,", key, p.Labels[key])
	}
	for _, port := range p.Ports {
		fmt.Fprintf(&b, "|%s %s", port, port.Name)
	}
	for _, a := range p.Addrs {
		fmt.Fprintf(&b, "|%d", ruleset.FamilyOf(a))
		for i, block := range c.blocks {
			if block.Contains(a) {
				fmt.Fprintf(&b, " %d", i)
			}
		}
	}
	return b.String()
}

// allBlocks returns the ranges of all ipBlocks, each once, sorted.
func (c *Cluster) allBlocks() []ruleset.Range {
	seen := map[ruleset.Range]bool{}
	for _, p := range c.Policies {
		for _, rules := range p.Rules {
			for _, r := range rules {
				for _, block := range r.Blocks {
					seen[block] = true
				}
			}
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(a, b ruleset.Range) int {
		return compareAddrs(a.First, b.First, a.Last, b.Last)
	})
}

// compareAddrs orders by two pairs of addresses.
func compareAddrs(a, b, aLast, bLast netip.Addr) int {
	if order := a.Compare(b); order != 0 {
		return order
	}
	return aLast.Compare(bLast)
}
