package controller

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/controller/graph"
)

// Addresses is what the kernel of the node knows of addresses: nobody else's word counts for which
// are the node's own, and for whether somebody is behind one.
type Addresses interface {
	// Addresses returns those that the node itself has, and the ranges that it has for pods, as far
	// as it shows.
	Addresses() (own []netip.Addr, ranges []netip.Prefix, err error)
	// Behind returns which of these are behind interfaces of pods.
	Behind(addrs []netip.Addr) ([]netip.Addr, error)
}

// tellHost has the graph know what was found on the node. Ranges that an earlier process has denied
// unknown pods of count as well.
func (c *Controller) tellHost() {
	c.graph.Apply(graph.HostSet{Own: c.host.own, Ranges: slices.Concat(c.host.left, c.host.ranges)})
	// A source that has not said all may know ranges still; close says where there is none until then.
	if c.source.synced || !c.kernel.unclosed {
		c.checkRange()
	}
}

const (
	mostDisputes  = 10          // that people are told of one by one
	manyDisputes  = 1000        // from which on it costs too much to look at all after each change
	disputesEvery = time.Second // then
)

// disputeState is what people were told of disputed addresses.
type disputeState struct {
	changes int // graph.DisputeChanges at that time
	told    time.Time
	texts   map[string]string // by address
}

// tellDisputes says which addresses are claimed by somebody whose they can't be, or by several. It
// is called after each commit, so it does nothing while no dispute has changed.
func (c *Controller) tellDisputes() {
	changes := c.graph.DisputeChanges()
	if changes == c.disputes.changes || len(c.disputes.texts) > 0 &&
		c.graph.DisputeCount() > manyDisputes && time.Since(c.disputes.told) < disputesEvery {
		return
	}
	c.disputes.changes, c.disputes.told = changes, time.Now()
	count, some := c.graph.Disputes(mostDisputes)
	texts := map[string]string{}
	for _, d := range some {
		texts[d.Addr.String()] = disputeText(d)
	}
	if count > len(some) {
		texts["and more"] = fmt.Sprintf("%d addresses in all are disputed", count)
	}
	for addr, text := range texts {
		if text != c.disputes.texts[addr] {
			c.Log.Warn("an address is disputed; no pod loses its isolation by that", "address",
				addr, "claims", text)
		}
	}
	c.disputes.texts = texts
	c.Health.disputes(count, texts)
}

// disputeText says who claims an address, and whose it can be.
func disputeText(d graph.Dispute) string {
	var claims []string
	for _, p := range d.Pods[:min(len(d.Pods), mostDisputes)] {
		claims = append(claims, fmt.Sprintf("pod %s of node %s", p.Key, p.Node))
	}
	for _, n := range d.Nodes[:min(len(d.Nodes), mostDisputes)] {
		claims = append(claims, "node "+n)
	}
	text := "claimed by " + strings.Join(claims, ", ")
	switch {
	case d.Own:
		return text + "; it is this node's own"
	case len(d.Range) > 0:
		return text + "; it is in the pod range of node " + strings.Join(d.Range, ", ")
	default:
		return text + "; it is in no node's pod range"
	}
}

// checkNode says where there is no object for this node: its name is wrong, or it was deleted. An
// object that was there once does not make the node unready when it goes.
func (c *Controller) checkNode() {
	// A source that could not read everything may lack this node as well, so nothing is said then.
	names := c.graph.NodeNames()
	c.source.nodeSeen = c.source.nodeSeen || c.graph.KnowsNode()
	missing := ""
	if !c.graph.KnowsNode() && len(names) > 0 && !c.source.blind {
		missing = fmt.Sprintf("no Node is called %s (--node-name); there are %d: %s", c.Node,
			len(names), strings.Join(names[:min(len(names), mostDisputes)], ", "))
	}
	reason, warning := missing, map[string]string{}
	if missing != "" && c.source.nodeSeen {
		reason, warning["object"] = "", "it is gone, and what it said last stays in force: "+missing
	}
	news := c.Health.set("node", reason)
	if news = c.Health.warn("node", warning) || news; news && missing != "" {
		c.Log.Error("this node is not in the cluster", "problem", missing)
	}
}
