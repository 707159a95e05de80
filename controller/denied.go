package controller

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/picket-project/picket/controller/drops"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// formerNames is who had an address, and what a chain was, until lately.
type formerNames struct {
	pods   drops.Past[netip.Addr, policy.Key]
	chains drops.Past[ruleset.ChainID, formerChain]
}

// formerChain is what is remembered of a pod's chain.
type formerChain struct {
	isolation
	workload string
}

// chainsOf returns the chains of a pod of this node. They are looked up before an event about it:
// afterwards the program has them no more.
func (c *Controller) chainsOf(p policy.Pod) []ruleset.Chain {
	if p.Node != c.Node || len(p.Addrs) == 0 {
		return nil
	}
	var chains []ruleset.Chain
	for _, d := range ruleset.Directions {
		if chain, is := c.graph.Chain(ruleset.NewChainID(d, p.Namespace, p.Name)); is {
			chains = append(chains, chain)
		}
	}
	return chains
}

// rememberPod remembers what a pod has lost by an event.
func (c *Controller) rememberPod(was, is policy.Pod, chains []ruleset.Chain) {
	now := time.Now()
	// The address may get another pod before its last packets are told of.
	for _, a := range was.Addrs {
		if !slices.Contains(is.Addrs, a) {
			c.former.pods.End(a, was.Key, now)
		}
	}
	// A pod that only lost one of its addresses keeps its chains.
	if len(is.Addrs) > 0 {
		return
	}
	for _, chain := range chains {
		c.former.chains.End(chain.ID, formerChain{newIsolation(was.Key, chain),
			drops.Workload(was.Name, was.Labels)}, now)
	}
}

// visit has the loop call a function between two of its steps. The error is that of ctx, and the
// function is not called then.
func (c *Controller) visit(ctx context.Context, look func()) error {
	done := make(chan struct{})
	// The loop calls it as soon as it has taken it, so nothing waits for an end of ctx then.
	select {
	case c.visits <- func() { look(); close(done) }:
		<-done
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// namedAtOnce is how many lines are named in one visit: enforcement waits for no more.
const namedAtOnce = 64

// Name says in names what was denied. Any goroutine may call it.
func (c *Controller) Name(ctx context.Context, lines []drops.Line) (list []drops.Drop, err error) {
	for few := range slices.Chunk(lines, namedAtOnce) {
		err := c.visit(ctx, func() {
			near := nearest{}
			for _, line := range few {
				list = append(list, c.nameLine(line, near))
			}
		})
		if err != nil {
			return nil, err
		}
	}
	return list, nil
}

// nearest is the nearest rules for packets to a port, by the chain that denied them: those of one
// chain can be many, and all its lines ask for them.
type nearest map[nearestKey]string

type nearestKey struct {
	chain ruleset.ChainID
	port  string
}

// Chains returns the chains of this node's pods, also of those that have gone lately. Any goroutine
// may call it.
func (c *Controller) Chains(ctx context.Context) (list []ruleset.ChainID, err error) {
	err = c.visit(ctx, func() {
		list = slices.Concat(c.graph.PodChains(), c.former.chains.Keys())
	})
	return list, err
}

// Subjects says whose each chain is. Any goroutine may call it.
func (c *Controller) Subjects(
	ctx context.Context, chains []ruleset.ChainID,
) (list []drops.Subject, err error) {
	err = c.visit(ctx, func() {
		for _, id := range chains {
			list = append(list, c.subjectOf(id))
		}
	})
	return list, err
}

// subjectOf says whose a chain is, or was lately.
func (c *Controller) subjectOf(id ruleset.ChainID) drops.Subject {
	d, was := c.chainOf(id, time.Now())
	key := was.pod
	workload := drops.Workload(key.Name, c.graph.Pod(key).Labels)
	// The labels of a pod that has gone are gone, too.
	if before, is := c.former.chains.Last(id, time.Now()); is && len(c.graph.Pod(key).Addrs) == 0 {
		workload = before.workload
	}
	if policy.IsStandIn(key) {
		key.Namespace, workload = drops.Other, drops.Other // several pods claim one address
	}
	return drops.Subject{Direction: d, Namespace: key.Namespace, Workload: workload}
}

// isolation is whose chain it is, and which policies isolate that pod.
type isolation struct {
	pod      policy.Key
	policies []string // the first of them
	more     int      // that are not among these
	gone     bool     // the pod had been deleted by then
}

// newIsolation copies what is kept of a pod's chain.
func newIsolation(pod policy.Key, chain ruleset.Chain) isolation {
	of := isolation{pod: pod}
	of.policies, of.more = drops.FirstPolicies(chain.Policies)
	return of
}

// chainOf says of a chain in which direction it is, and of whom. Of one that nobody remembers the
// name tells the pod.
func (c *Controller) chainOf(id ruleset.ChainID, at time.Time) (d ruleset.Direction, of isolation) {
	// direction/namespace/pod, or the beginning of it.
	word, rest, _ := strings.Cut(string(id), "/")
	if word == ruleset.Egress.String() {
		d = ruleset.Egress
	}
	of.policies = []string{}
	// What it was at that time counts, then what it is, then what it was last.
	if before, is := c.former.chains.At(id, at); is {
		return d, before.isolation
	}
	if chain, is := c.graph.Chain(id); is && chain.Subject != "" {
		of.pod.Namespace, of.pod.Name, _ = strings.Cut(chain.Subject, "/")
		return d, newIsolation(of.pod, chain)
	}
	if before, is := c.former.chains.Last(id, at); is {
		before.gone = true
		return d, before.isolation
	}
	of.pod.Namespace, of.pod.Name, _ = strings.Cut(rest, "/")
	of.gone = len(c.graph.Pod(of.pod).Addrs) == 0
	return d, of
}

// nameLine says one line in names. The subject is the pod of the chain, whatever the packet says.
func (c *Controller) nameLine(line drops.Line, near nearest) drops.Drop {
	direction, of := c.chainOf(line.Chain, line.Time)
	flow := line.Logged.Flow
	d := drops.Drop{Time: line.Time, Node: c.Node, Direction: direction, Packets: line.Packets,
		More: line.More, IsolatedBy: of.policies, MorePolicies: of.more, Audited: line.Logged.Audited}
	// A line without packets has no addresses.
	if line.Packets > 0 {
		d.From, d.To = c.endAt(flow.From, line.Time), c.endAt(flow.To, line.Time)
		d.Port = line.Logged.PortText()
		d.Nearest = c.nearestRules(near, nearestKey{line.Chain, d.Port}, flow)
	}
	// The name of the subject is not taken from its address: that one a packet only claims.
	subject := &d.To
	if direction == ruleset.Egress {
		subject = &d.From
	}
	// Where several pods claim one address, who has it as a peer is named.
	if !policy.IsStandIn(of.pod) {
		*subject = drops.End{Pod: of.pod.String(), Address: subject.Address, Gone: of.gone}
	}
	return d
}

// nearestRules says which rules of a chain have the port of a flow.
func (c *Controller) nearestRules(near nearest, key nearestKey, f ruleset.Flow) string {
	rules, known := near[key]
	if chain, is := c.graph.Chain(key.chain); !known && is {
		rules = string(c.graph.NearestRules(chain, f))
		near[key] = rules
	}
	return rules
}

// endAt says who had an address at a time.
func (c *Controller) endAt(a netip.Addr, at time.Time) drops.End {
	// Who had the address at that time counts, then who has it, then who had it last.
	if key, is := c.former.pods.At(a, at); is {
		return drops.End{Pod: key.String(), Address: a}
	}
	if key, is := c.graph.PeerAt(a); is {
		return drops.End{Pod: key.String(), Address: a}
	}
	if node := c.graph.NodeAt(a); node != "" {
		return drops.End{Node: node, Address: a}
	}
	if key, is := c.former.pods.Last(a, at); is {
		return drops.End{Pod: key.String(), Address: a, Gone: true}
	}
	return drops.End{Address: a, NoPod: c.graph.InPodRanges(a)}
}
