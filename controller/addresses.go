package controller

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/controller/graph"
)

// Addresses is what the kernel of the node knows of addresses: nobody else's word counts for which are the node's own,
// and for whether somebody is behind one.
type Addresses interface {
	// Addresses returns those that the node itself has, and the ranges that it has for pods, as far as it shows.
	Addresses() (own []netip.Addr, ranges []netip.Prefix, err error)
	// Behind returns which of these are behind interfaces of pods.
	Behind(addrs []netip.Addr) ([]netip.Addr, error)
	// Follow reports that interfaces or addresses may have changed, as it happens, from when it returns until ctx ends or
	// the channel is closed, which holds the reason.
	Follow(ctx context.Context, changed func()) (ended <-chan error, err error)
}

// addressing is what the loop remembers of addresses.
type addressing struct {
	due       bool          // the kernel is to be asked which addresses are the node's own
	changed   chan struct{} // holds one token when they may have changed
	ended     <-chan error  // tells when nobody listens any more; nil: nobody does
	retry     attempts
	own       []netip.Addr
	ranges    []netip.Prefix
	recalled  bool           // the kernel was asked for what an earlier process left
	left      []netip.Prefix // ranges that it has denied unknown pods of
	questions []netip.Addr   // that were answered
	answers   []netip.Addr
	asked     int // graph.LocalEvents at that time
	disputes  int // graph.DisputeChanges when they were told
	told      time.Time
	texts     map[string]string // of these, by address
	met       bool              // there was an object for this node
}

func newAddressing() addressing {
	return addressing{due: true, changed: make(chan struct{}, 1), retry: never()}
}

// moved tells the loop that interfaces or addresses may have changed.
func (c *Controller) moved() {
	select {
	case c.addressing.changed <- struct{}{}:
	default:
	}
}

// lookAround has the graph know what the kernel says of addresses.
func (c *Controller) lookAround(ctx context.Context) {
	if c.Addresses == nil {
		return
	}
	c.follow(ctx)
	err := c.askOwn()
	if err == nil {
		err = c.askBehind()
	}
	c.addressing.due = err != nil
	c.addressing.retry.after(err)
	reason := ""
	if err != nil {
		reason = err.Error() + "; what was known last stays in force"
	}
	if c.Health.set("addresses", reason) && err != nil {
		c.Log.Error("the kernel does not tell which addresses are the node's and its pods'", "error", err)
	}
}

// follow listens to the kernel, again if it had to end.
func (c *Controller) follow(ctx context.Context) {
	if c.addressing.ended != nil {
		return
	}
	warning := map[string]string{}
	ended, err := c.Addresses.Follow(ctx, c.moved)
	if err != nil {
		warning["changes"] = err.Error() + "; they are noticed late: by the audit only"
	}
	c.addressing.ended, c.addressing.due = ended, true
	if c.Health.warn("addresses", warning) && err != nil {
		c.Log.Error("changes of the node's addresses are noticed late: by the audit only", "error", err)
	}
}

// unfollowed takes over that nobody listens any more, so that changes may have been missed.
func (c *Controller) unfollowed(err error) {
	c.addressing.ended, c.addressing.due = nil, true
	if err != nil {
		c.Log.Error("changes of the node's addresses may have been missed", "error", err)
	}
}

// askOwn asks which addresses are the node's own. Connections to one that it has lost were never judged.
func (c *Controller) askOwn() error {
	if !c.addressing.due {
		return nil
	}
	own, ranges, err := c.Addresses.Addresses()
	if err != nil {
		return err
	}
	if slices.Equal(own, c.addressing.own) && slices.Equal(ranges, c.addressing.ranges) {
		return nil
	}
	c.addressing.own, c.addressing.ranges = own, ranges
	c.tellHost()
	return nil
}

// tellHost has the graph know what was found on the node.
func (c *Controller) tellHost() {
	c.graph.Apply(graph.HostSet{Own: c.addressing.own, Ranges: slices.Concat(c.addressing.left, c.addressing.ranges)})
}

// askBehind asks who is behind addresses where only the kernel can tell.
func (c *Controller) askBehind() error {
	questions, events := c.graph.Questions(), c.graph.LocalEvents()
	stale := c.addressing.due || events != c.addressing.asked || !slices.Equal(questions, c.addressing.questions)
	if len(questions)+len(c.addressing.answers) == 0 || !stale {
		return nil
	}
	var answers []netip.Addr
	if len(questions) > 0 {
		var err error
		if answers, err = c.Addresses.Behind(questions); err != nil {
			return err
		}
	}
	c.graph.Apply(graph.BehindSet{Addrs: answers})
	c.addressing.asked, c.addressing.answers, c.addressing.questions = events, answers, c.graph.Questions()
	return nil
}

const (
	mostDisputes  = 10          // that people are told of one by one
	manyDisputes  = 1000        // from which on it costs too much to look at all after each change
	disputesEvery = time.Second // then
)

// tellDisputes says which addresses are claimed by somebody whose they can't be, or by several.
func (c *Controller) tellDisputes() {
	changes := c.graph.DisputeChanges()
	if changes == c.addressing.disputes || len(c.addressing.texts) > 0 && c.graph.DisputeCount() > manyDisputes && time.Since(c.addressing.told) < disputesEvery {
		return
	}
	c.addressing.disputes, c.addressing.told = changes, time.Now()
	count, some := c.graph.Disputes(mostDisputes)
	texts := map[string]string{}
	for _, d := range some {
		texts[d.Addr.String()] = disputeText(d)
	}
	if count > len(some) {
		texts["and more"] = fmt.Sprintf("%d addresses in all are disputed", count)
	}
	for addr, text := range texts {
		if text != c.addressing.texts[addr] {
			c.Log.Warn("an address is disputed; no pod loses its isolation by that", "address", addr, "claims", text)
		}
	}
	c.addressing.texts = texts
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

// checkNode says where there is no object for this node: its name is wrong, or it was deleted.
func (c *Controller) checkNode() {
	names := c.graph.NodeNames()
	c.addressing.met = c.addressing.met || c.graph.KnowsNode()
	missing := ""
	if !c.graph.KnowsNode() && len(names) > 0 && !c.blind {
		missing = fmt.Sprintf("no Node is called %s (--node-name); there are %d: %s", c.Node, len(names), strings.Join(names[:min(len(names), mostDisputes)], ", "))
	}
	reason, warning := missing, map[string]string{}
	if missing != "" && c.addressing.met {
		reason, warning["object"] = "", "it is gone, and what it said last stays in force: "+missing
	}
	news := c.Health.set("node", reason)
	if news = c.Health.warn("node", warning) || news; news && missing != "" {
		c.Log.Error("this node is not in the cluster", "problem", missing)
	}
}
