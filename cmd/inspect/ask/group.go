package ask

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
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

// Alike returns a text that is the same for pods of one workload that every policy treats alike.
func (c *Cluster) Alike(p Pod) string { return p.Workload.String() + "|" + c.PeerKey(p) }

// PeerKey returns a text that is the same for pods, of whatever workloads, that are one peer to
// every policy: all that selectors, port names and ipBlocks can look at. A pod whose address is not
// its own alone, or is a node's, is like none but itself.
func (c *Cluster) PeerKey(p Pod) string {
	if p.Host || c.disputed[p.Key] {
		return "pod " + p.Key.String()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s|", p.Namespace)
	// A label that no selector asks for changes no decision: the name that a StatefulSet gives to each
	// of its pods, for instance.
	for _, key := range slices.Sorted(maps.Keys(p.Labels)) {
		if c.lookedAt[key] {
			fmt.Fprintf(&b, "%s=%s,", key, p.Labels[key])
		}
	}
	b.WriteString(c.ownKey(p))
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

// SubjectKey returns a text that is the same for pods, of whatever workloads, about which the same
// policies decide in a direction, in the same way.
func (c *Cluster) SubjectKey(p Pod, d ruleset.Direction) string {
	if p.Host || c.disputed[p.Key] {
		return "pod " + p.Key.String()
	}
	var b strings.Builder
	if p.counts {
		by := policy.Deciding(slices.Values(c.Policies), p.policy, c.Namespace(p.Namespace), d)
		fmt.Fprintf(&b, "%d", by.Effect)
		for _, one := range by.Policies {
			b.WriteString(" " + one.String())
		}
	}
	b.WriteString(c.ownKey(p))
	for _, a := range p.Addrs {
		fmt.Fprintf(&b, "|%d", ruleset.FamilyOf(a))
	}
	return b.String()
}

// ownKey is what counts of a pod both as a subject and as a peer: its ports, and its node where a
// pod states an address of that node, which only the node's own pods always reach.
func (c *Cluster) ownKey(p Pod) string {
	var b strings.Builder
	for _, port := range p.Ports {
		fmt.Fprintf(&b, "|%s", port)
	}
	// One port can have several names.
	fmt.Fprintf(&b, "|%v", p.policy.Ports)
	if c.claimed[p.Node] {
		b.WriteString("|on " + p.Node)
	}
	return b.String()
}

// findLookedAt lists the keys of the labels that selectors of pods ask for.
func (c *Cluster) findLookedAt() {
	look := func(s *policy.Selector) {
		requirements, _ := s.Pods.Requirements()
		for _, r := range requirements {
			c.lookedAt[r.Key()] = true
		}
	}
	for _, p := range c.Policies {
		look(p.Subjects)
		for _, rules := range p.Rules {
			for _, r := range rules {
				for _, s := range r.Pods {
					look(s)
				}
			}
		}
	}
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
