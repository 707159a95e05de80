package controller

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/picket-project/picket/ruleset"
)

// kernelState is what the loop knows of the kernel's rules.
type kernelState struct {
	known    bool          // the kernel holds what the graph has handed out
	changed  time.Time     // when the oldest change came that it does not hold; zero: none
	backoff  time.Duration // between attempts; 0: the last one went well
	resume   time.Time     // no attempt before this, whatever arrives
	retry    *time.Timer   // is due then
	touched  chan struct{} // holds one token when somebody else may have changed the rules
	watching bool          // for that
	listed   bool          // what the kernel can do is known, and will not change
	said     bool          // that all is in force
	lines    quota         // bounds what is logged of commits
	unclosed bool          // it may not deny unknown pods yet, and nobody has said which there are
	bypassed bool          // packets of open connections can pass by the rules
	repaired bool          // the last delta is for a kernel that was found not to hold what it should
	inForce  sync.Once
}

// newKernelState returns the state before the first look: nothing is known, nothing is closed.
func newKernelState() kernelState {
	return kernelState{unclosed: true, touched: make(chan struct{}, 1), retry: stoppedTimer()}
}

// reconcile brings the kernel to what the graph wants. The first ruleset waits for what the node
// has to say. Later ones do not, as long as what bridges carry passes the rules: where interfaces
// come and go, the answer can take a second.
func (c *Controller) reconcile(ctx context.Context) {
	if !c.Health.started() || c.mustConsultHost() {
		c.consultHost(ctx)
	}
	c.commit(ctx)
	c.tellDisputes()
	c.askHost()
}

// commit brings the kernel to what the graph wants, in one transaction.
func (c *Controller) commit(ctx context.Context) {
	start := time.Now()
	delta, err := c.next(ctx)
	c.checkRoom()
	if err == nil {
		// This comes before the new rules: see handOver.
		c.handOver(ctx, delta)
		err = c.Firewall.Apply(ctx, delta)
	}
	if err != nil {
		// It may be in force for all that, and is not seen as a difference then: whatever follows
		// from a change has to follow from it, too.
		c.reviewLater(delta)
		c.bridge.unknown = true
		c.failed(ctx, err)
		return
	}
	// Until all was read once, the kernel got only a part of the delta, so it is observed again.
	c.kernel.backoff, c.kernel.known = 0, c.source.whole
	c.checkHidden()
	c.Health.committed(delta, time.Since(start), c.kernel.changed)
	c.kernel.changed = time.Time{}
	// Until all was read, the kernel gets only what isolates.
	if c.source.whole {
		c.revisions.committed(time.Now())
	}
	c.Health.set("kernel", "")
	// Everything below builds on rules that are in force.
	c.guard(ctx)
	c.listFeatures()
	c.scheduleReview(ctx, delta)
	c.separate(ctx, delta)
	c.replaceOthers(ctx)
	c.Health.count(c.graph.Counts)
	c.logCommit(ctx, delta, time.Since(start))
}

// replaceOthers has what another backend has left removed once this one holds all of it: on
// bridges, where it is not known what belongs there before the host has said how pods are attached,
// and of open connections, which the other one may cut.
func (c *Controller) replaceOthers(ctx context.Context) {
	wired := c.Host == nil || c.host.wired
	cut := !c.reviews() || c.review.looked || c.review.failures > mostUnread
	if !c.kernel.known || !wired || !cut || c.bridge.retry.backoff > 0 || c.InForce == nil {
		return
	}
	c.kernel.inForce.Do(func() { go c.removeOthers(ctx) })
}

// mostUnread is how often connections may not be read before nobody waits for them any more: on a
// kernel that cannot list them, nothing is cut.
const mostUnread = 3

// removeOthers tries until it succeeds: rules that nobody keeps in step deny what is allowed by
// now.
func (c *Controller) removeOthers(ctx context.Context) {
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		err := c.InForce(ctx)
		if ctx.Err() != nil {
			return
		}
		problem := map[string]string{}
		if err != nil {
			problem["before"] = err.Error() + "; what it has left denies as well"
		}
		if c.Health.warn("backend", problem) {
			c.Log.Warn("rules of another backend stay, and deny as well", "error", err)
		}
		if err == nil {
			return
		}
		sleep(ctx, pause)
	}
}

// logCommit says in one line what a commit changed, and that all is in force after the first that
// wants everything. At debug level it prints the delta, whose text costs more than its commit.
func (c *Controller) logCommit(ctx context.Context, d ruleset.Delta, took time.Duration) {
	took = took.Round(time.Microsecond)
	if c.source.whole && !c.kernel.said {
		c.kernel.said = true
		n := c.graph.Counts()
		c.Log.Info("in force", "policies", n.Policies, "pods here", n.LocalPods, "of all", n.Pods,
			"took", took)
	} else if !d.Empty() {
		c.kernel.lines.log(func(skipped int) {
			n := d.Counts()
			c.Log.Info("rules changed", "pods", n.Subjects, "addresses", n.Members, "took", took,
				"and others", skipped)
		})
	}
	if !d.Empty() && c.Log.Enabled(ctx, slog.LevelDebug) {
		c.Log.Debug("committed", "delta", d.String(), "took", took)
	}
}

// next returns what must change: what the graph changed where the kernel is known, else the
// difference to what the kernel is found to hold. Until all has been read once, nobody's isolation
// ends: it may be for what was not read yet.
func (c *Controller) next(ctx context.Context) (ruleset.Delta, error) {
	changes := c.graph.Changes()
	c.kernel.repaired = false
	if c.kernel.known {
		return changes, nil
	}
	have, err := c.Firewall.Observe(ctx)
	if err != nil {
		return ruleset.Delta{}, err
	}
	// These can change what the graph wants, so they come before the comparison.
	c.recall(have)
	c.recallDeparted(ctx, have)
	want := c.graph.Program()
	delta := ruleset.Diff(have, want)
	c.graph.Changes() // what was recalled is in the difference
	if !c.source.whole {
		delta = delta.Isolating(want)
	}
	if !c.source.whole && c.DenyUnknown {
		delta = delta.KeepingUnknown()
	}
	c.kernel.repaired = c.Health.started() && !delta.Empty()
	// A difference is no surprise after a failure, or if the graph has changed meanwhile.
	if c.kernel.repaired && c.kernel.backoff == 0 && changes.Empty() {
		c.Health.drifted()
		c.Log.Warn("the kernel did not hold what it should; repairing", "delta", delta.String())
	}
	return delta, nil
}

// failed keeps the last good rules and tries again later, from what the kernel is then found to
// hold.
func (c *Controller) failed(ctx context.Context, err error) {
	// The agent ends, so a call that was broken off says nothing about the kernel.
	if ctx.Err() != nil {
		return
	}
	c.kernel.known = false
	c.kernel.backoff = longer(c.kernel.backoff)
	c.kernel.resume = time.Now().Add(c.kernel.backoff)
	c.kernel.retry.Reset(c.kernel.backoff)
	if c.Health.set("kernel", err.Error()) {
		c.Log.Error("the kernel does not hold what it should; the last rules stay", "error", err)
	}
	c.Health.failed()
	c.listFeatures()
}
