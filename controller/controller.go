package controller

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// Firewall is a kernel's rules.
type Firewall interface {
	// Observe says what the kernel holds now.
	Observe(context.Context) (ruleset.Observed, error)
	// Apply carries a delta out, all or nothing; after an error nothing is known. An empty one says that what
	// was observed is as it should be.
	Apply(context.Context, ruleset.Delta) error
}

// Reporter tells people what is wrong.
type Reporter interface {
	Report(problems []policy.Problem) // all of one policy
	Warn(wrong string)                // with this node
}

// Config says what a Controller works with. Node, Source and Firewall are needed, the other parts may be nil.
type Config struct {
	Node        string
	Denial      ruleset.Denial
	DenyUnknown bool // pods of the node are denied until they are known
	Source      Source
	Firewall    Firewall
	Host        Host
	Addresses   Addresses   // without it, Node objects say which addresses are the node's
	AnyAddress  bool        // addresses of pods can come from outside of all nodes' ranges
	Connections Connections // without them, or a Cutter, open connections stay as they are
	Cutter      Cutter
	Guard       Guard
	Flowtables  FlowtableLister // without it, connections are taken to be in none
	Separator   Separator       // without it, or a Host, pods of one bridge are not kept apart there
	Reporter    Reporter
	Log         *slog.Logger  // nil: slog.Default()
	Audit       time.Duration // between looks at the kernel and the host; 0: 30 s
	Settled     func()        // called once, from a goroutine of its own: the kernel holds all that there was; may be nil
}

// Controller is the loop of one node.
type Controller struct {
	Config
	Health     *Health
	box        *mailbox
	graph      *graph.Graph
	bad        badPolicies
	complaint  map[string]string // the source's, by subject
	synced     bool
	blind      bool          // the source has not read all that there is
	whole      bool          // it had, at some time: what is missing in the graph is gone
	known      bool          // the kernel holds what the graph has handed out
	changed    time.Time     // when the oldest change came that the kernel does not hold; zero: none
	hosted     int           // graph.LocalEvents when the host was last prepared; -1: it is due
	rehost     attempts      // after an error
	backoff    time.Duration // between attempts; 0: the last one went well
	resume     time.Time     // no attempt before this, whatever arrives
	review     review
	touched    chan struct{} // holds one token when somebody else may have changed the kernel's rules
	watching   bool
	addressing addressing
	unclosed   bool     // the kernel may not deny unknown pods yet, and nobody has said which there are
	mixed      bool     // the segment may have to change
	remix      attempts // after an error
	bypassed   bool     // packets of open connections can pass by the kernel's rules
	policed    bool     // there was a policy when it was last looked at
	segment    ruleset.Segment
	wiring     wiring
	settled    sync.Once
}

// New returns a controller that Run starts.
func New(c Config) *Controller {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Audit == 0 {
		c.Audit = 30 * time.Second
	}
	controller := &Controller{
		Config: c, Health: newHealth(), box: newMailbox(), graph: graph.New(c.Node, c.Denial), bad: newBadPolicies(), hosted: -1,
		review: newReview(), addressing: newAddressing(), unclosed: true, touched: make(chan struct{}, 1), rehost: never(), remix: never(), wiring: newWiring(),
	}
	if c.DenyUnknown {
		controller.graph.DenyUnknown()
	}
	if c.AnyAddress {
		controller.graph.AnyAddress()
	}
	if c.Addresses != nil {
		controller.graph.KeepDeparted()
	}
	return controller
}

// Run works until ctx ends, which is no error, or until the source cannot go on. The rules stay.
func (c *Controller) Run(ctx context.Context) error {
	running, stop := context.WithCancel(ctx)
	defer stop()
	c.close(ctx) // also where the source fails at once
	failed := make(chan error, 1)
	go func() {
		defer stop()
		failed <- c.Source.Run(running, c.box.put)
	}()
	go c.watchHost(running)
	c.loop(running)
	if err := <-failed; err != nil && ctx.Err() == nil {
		return fmt.Errorf("source: %w", err)
	}
	return nil
}

func (c *Controller) loop(ctx context.Context) {
	audit := time.NewTicker(c.Audit)
	defer audit.Stop()
	retry := time.NewTimer(0)
	defer retry.Stop()
	c.checkFlowtables(ctx)
	for do := c.wait(ctx, audit.C, retry.C); do != nil; do = c.wait(ctx, audit.C, retry.C) {
		c.Health.work(time.Now())
		do()
		if !c.synced {
			c.close(ctx)
		} else if !time.Now().Before(c.resume) {
			c.reconcile(ctx)
		}
		if c.backoff > 0 {
			retry.Reset(time.Until(c.resume))
		}
		c.Health.work(time.Time{})
	}
}

// wait returns what is to be done next, once there is anything; after the end of ctx nothing is.
func (c *Controller) wait(ctx context.Context, audit, retry <-chan time.Time) (do func()) {
	select {
	case <-ctx.Done():
		return nil
	case <-c.box.ready:
		return c.read
	case <-audit:
		return func() {
			c.hosted, c.addressing.due = -1, true
			c.doubt(ctx)
			c.checkFlowtables(ctx)
			c.recheck(ctx)
		}
	case <-c.touched:
		return func() { c.doubt(ctx) }
	case <-retry:
		return func() {}
	case <-c.addressing.changed:
		return func() { c.hosted, c.addressing.due, c.unclosed = -1, true, true }
	case err := <-c.addressing.ended:
		return func() { c.unfollowed(err) }
	case <-c.addressing.retry.due.C:
		return func() { c.addressing.due = true }
	case <-c.rehost.due.C:
		return func() { c.hosted = -1 }
	case <-c.wiring.moved:
		return func() { c.hosted = -1 }
	case <-c.wiring.opens.C:
		return c.open
	case <-c.remix.due.C:
		return func() { c.mixed = true }
	case <-c.review.due.C:
		return func() { c.look(ctx) }
	case b := <-c.review.found:
		return func() {
			list, err := c.judgeOpen(ctx, b.list)
			b.answer <- fates{list, err}
		}
	case l := <-c.review.over:
		return func() { c.looked(ctx, l) }
	}
}

// read takes the mail into the graph.
func (c *Controller) read() {
	mail, since := c.box.take()
	if c.changed.IsZero() {
		c.changed = since
	}
	for _, m := range mail {
		for _, e := range m.Events {
			c.apply(e)
			c.notice(e)
		}
		if m.Synced && !c.synced {
			c.synced = true
			for namespace := range c.bad.deferred {
				c.reportAgain(namespace)
			}
		}
		if m.Complaints != nil {
			c.blind = m.Blind
			c.complain(m.Blind, m.Complaints)
		}
	}
	c.whole = c.whole || c.synced && !c.blind
	if c.synced {
		c.Health.set("sync", "")
		c.checkRange()
		c.checkNode()
	}
}

// checkRange says where unknown pods should be denied and it is not known which addresses could be theirs.
func (c *Controller) checkRange() {
	reason := ""
	if c.DenyUnknown && len(c.graph.Ranges()) == 0 {
		reason = fmt.Sprintf("pods that are not known yet are not denied: node %s has no spec.podCIDRs; "+
			"expected the ranges that its pods' addresses come from; let the controller manager allocate them (--allocate-node-cidrs), or run with --unknown-pods=allow", c.Node)
	}
	if c.Health.set("unknown-pods", reason) && reason != "" {
		c.Log.Error(reason)
		if c.Reporter != nil {
			c.Reporter.Warn(reason)
		}
	}
}

// complain takes over what the source has to complain of, and logs what is new in that.
func (c *Controller) complain(blind bool, list map[string]string) {
	for subject, text := range list {
		if _, known := c.complaint[subject]; !known {
			c.Log.Warn("not everything works; what was known last stays in force", "subject", subject, "problem", text)
		}
	}
	for subject := range c.complaint {
		if _, still := list[subject]; !still {
			c.Log.Info("works again", "subject", subject)
		}
	}
	c.complaint = list
	c.Health.complaints(blind, list)
}

// reconcile brings host and kernel to what the graph wants. The host is asked before the first ruleset, and from then
// on after each: where interfaces come and go it can take a second to answer, and no policy waits for that.
func (c *Controller) reconcile(ctx context.Context) {
	if !c.Health.started() {
		c.askHost(ctx)
		c.commit(ctx)
	} else if c.commit(ctx) && c.askHost(ctx) {
		c.commit(ctx)
	}
}

// askHost takes over what the host has to say, and reports whether it was asked for what can have changed.
func (c *Controller) askHost(ctx context.Context) bool {
	due := c.hosted != c.graph.LocalEvents() || c.addressing.due
	c.lookAround(ctx)
	c.tellDisputes()
	c.prepare(ctx)
	return due
}

// commit brings the kernel to what the graph wants, and reports whether it is there.
func (c *Controller) commit(ctx context.Context) bool {
	start := time.Now()
	delta, err := c.next(ctx)
	c.checkRoom()
	if err == nil {
		c.handOver(ctx, delta)
		err = c.Firewall.Apply(ctx, delta)
	}
	if err != nil {
		c.failed(ctx, err)
		return false
	}
	c.backoff, c.known = 0, c.whole
	c.checkHidden()
	c.Health.committed(delta, time.Since(start), c.changed)
	c.changed = time.Time{}
	c.Health.set("kernel", "")
	if c.whole && c.Settled != nil {
		c.settled.Do(func() { go c.Settled() })
	}
	c.guard(ctx)
	c.widen(ctx, delta)
	c.separate(ctx, delta)
	c.Health.count(c.graph.Counts)
	if !delta.Empty() && c.Log.Enabled(ctx, slog.LevelDebug) { // a delta's text costs more than its commit
		c.Log.Debug("committed", "delta", delta.String(), "took", time.Since(start))
	}
	return true
}

// next returns what must change: what the graph changed where the kernel is known, else the difference to
// what the kernel is found to hold. Until all has been read once, nobody's isolation ends: it may be for what
// was not read yet.
func (c *Controller) next(ctx context.Context) (ruleset.Delta, error) {
	changes := c.graph.Changes()
	if c.known {
		return changes, nil
	}
	have, err := c.Firewall.Observe(ctx)
	if err != nil {
		return ruleset.Delta{}, err
	}
	c.recall(have)
	delta := ruleset.Diff(have, c.graph.Program())
	c.graph.Changes() // what was recalled is in the difference
	if !c.whole {
		delta = delta.Isolating()
	}
	if !c.whole && c.DenyUnknown {
		delta = delta.KeepingUnknown()
	}
	if c.Health.started() && c.backoff == 0 && changes.Empty() && !delta.Empty() {
		c.Health.drifted()
		c.Log.Warn("the kernel did not hold what it should; repairing", "delta", delta.String())
	}
	return delta, nil
}

// failed keeps the last good rules and tries again later, from what the kernel is then found to hold.
func (c *Controller) failed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	c.known = false
	c.backoff = longer(c.backoff)
	c.resume = time.Now().Add(c.backoff)
	if c.Health.set("kernel", err.Error()) {
		c.Log.Error("the kernel does not hold what it should; the last rules stay", "error", err)
	}
	c.Health.failed()
}
