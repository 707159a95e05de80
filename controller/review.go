package controller

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/picket-project/picket/ruleset"
)

// Connections is what is open through this node.
type Connections interface {
	// Review hands over those that keep wants, some at a time, and ends what decide wants to end.
	// It may take long; the loop does not wait for it.
	Review(ctx context.Context, keep func(ruleset.Connection) bool, decide ruleset.DecideFates) error
	// ReviewOf is Review for those with an address at one end. The loop waits for it.
	ReviewOf(ctx context.Context, end netip.Addr, decide ruleset.DecideFates) error
}

// Cutter is a kernel that can drop all packets of single connections.
type Cutter interface {
	// Cuts says what it drops now.
	Cuts(context.Context) (ruleset.Cuts, error)
	// Cut changes that, all or nothing; after an error nothing is known.
	Cut(context.Context, ruleset.CutChange) error
}

// review cuts the open connections that a change of policy forbids, and lets those go on that it
// allows again:
//
//	commit ─► scope of what it can have forbidden ─► look: conntrack, in a goroutine ─► decide ─► Cut
//	   └────► cuts that it can have allowed again ────────────────────────────────────► decide ─► Cut
//
// The look comes after the commit, so a connection that is opened too late for it is decided by the
// new rules. Changes that come meanwhile share the next look. It hands over some connections at a
// time, so that it takes no more memory where there are a million.
type review struct {
	begun bool          // a ruleset was committed
	scope ruleset.Scope // of all that was committed since the last look; at first, everything
	due   *time.Timer
	at    time.Time // when that is due; zero: it is not
	// notBefore is when the next look may begin, so that looks take no whole processor.
	notBefore time.Time
	looking   bool
	urgent    bool // what was repaired has to be looked at, without a rest
	found     chan openBatch
	over      chan look
	cuts      *cuts               // nil: not known
	refresh   time.Time           // when conntrack was last asked for all of them
	full      bool                // no more clients are listed in them
	waiting   ruleset.Scope       // of cuts that depend on policies of other nodes' pods
	own       []netip.Addr        // addresses of this node at the last commit, sorted
	handed    map[netip.Addr]bool // addresses that have another pod since the last commit
	left      leftovers
	looked    bool          // all that was open at the start has been looked at
	failures  int           // since the last look that went well
	took      time.Duration // by the last look
	// unlifted says that a commit failed which may be in force for all that, so any cut can be of
	// what is allowed by now.
	unlifted bool
	lost     bool // such a commit made the table or its frame anew, without what is cut
	touched  bool // somebody else may have changed what is cut
}

// look is what one look at conntrack was for, and what came of it.
type look struct {
	scope ruleset.Scope
	left  map[netip.Addr]uint64 // addresses of pods that are gone
	whole bool                  // it has seen all connections of what is cut
	seen  map[ruleset.Flow]bool // flows that were cut before and have connections
	took  time.Duration
	err   error
}

const (
	// reviewDelay is from a commit to the look: packets that were decided before it are through.
	reviewDelay = 50 * time.Millisecond
	// between looks, which take a fifth of a processor at most
	longestPause = 500 * time.Millisecond
	retryReview  = time.Second
	refreshCuts  = 5 * time.Minute
)

// newReview returns the state before the first commit: all open connections are to be looked at.
func newReview() review {
	return review{
		scope: ruleset.Everything(), due: stoppedTimer(), handed: map[netip.Addr]bool{},
		found: make(chan openBatch), over: make(chan look, 1),
		left: leftovers{addrs: map[netip.Addr]uint64{}},
	}
}

// reviews reports whether connections can be cut here.
func (c *Controller) reviews() bool { return c.Connections != nil && c.Cutter != nil }

// scheduleReview takes a delta that the kernel holds now into the next review.
func (c *Controller) scheduleReview(ctx context.Context, delta ruleset.Delta) {
	// What was not read yet may allow a connection, so none is cut before.
	if !c.reviews() || !c.source.whole {
		return
	}
	c.scheduleLeftovers()
	moved := c.movedOwn()
	c.doubtCuts(ctx, delta)
	if delta.Empty() && len(moved) == 0 && c.review.begun && !c.review.unlifted {
		return
	}
	c.review.begun = true
	forbidden := ruleset.ScopeOf(delta, c.graph.Subjects).Union(ruleset.ScopeOfAddrs(moved...))
	c.review.scope = c.review.scope.Union(forbidden)
	// While somebody else's rules were in force, anything may have come in.
	if c.kernel.repaired {
		c.review.urgent, c.review.notBefore = true, time.Time{}
	}
	if !c.review.scope.Empty() {
		c.review.schedule(reviewDelay)
	}
	if err := c.liftAllowed(ctx, delta); err != nil {
		c.reviewFailed(ctx, err)
	}
}

// reviewLater takes into the next review what a delta can have forbidden, though it is not known
// whether the kernel holds it. What it can have allowed is lifted after the next commit.
func (c *Controller) reviewLater(delta ruleset.Delta) {
	c.review.unlifted = true
	c.review.lost = c.review.lost || delta.Clear || delta.Frame
	c.review.scope = c.review.scope.Union(ruleset.ScopeOf(delta, c.graph.Subjects))
	if c.reviews() && c.review.begun && !c.review.scope.Empty() {
		c.review.schedule(retryReview)
	}
}

// doubtCuts has the cuts read anew where they may be gone from the kernel: with a table or a frame
// that was made anew, or by somebody else's hand.
func (c *Controller) doubtCuts(ctx context.Context, delta ruleset.Delta) {
	if delta.Clear || delta.Frame || c.review.lost {
		c.review.cuts = nil
	}
	touched := c.review.touched
	c.review.lost, c.review.touched = false, false
	if touched {
		c.compareCuts(ctx)
	}
}

// movedOwn returns the addresses that this node has got or lost since it was last asked. What was
// open to one that goes to another node passes the forward hook from then on, and nobody has
// decided about it.
func (c *Controller) movedOwn() (moved []netip.Addr) {
	was, is := c.review.own, c.graph.OwnAddrs()
	slices.SortFunc(is, netip.Addr.Compare)
	c.review.own = is
	for _, a := range slices.Concat(was, is) {
		if slices.Contains(was, a) != slices.Contains(is, a) {
			moved = append(moved, a)
		}
	}
	return moved
}

// schedule has a look begin after a pause, or earlier if one is due before that: however often it
// is called, the look begins. While there is one, its end begins the next.
func (r *review) schedule(pause time.Duration) {
	at := time.Now().Add(pause)
	if at.Before(r.notBefore) {
		at = r.notBefore
	}
	if !r.looking && (r.at.IsZero() || at.Before(r.at)) {
		r.at = at
		r.due.Reset(time.Until(at))
	}
}

// recheckCuts is for the recheck: what the kernel cuts is read anew, and what conntrack knows of
// it, now and then.
func (c *Controller) recheckCuts(ctx context.Context) {
	if !c.compareCuts(ctx) {
		return
	}
	c.review.reviewWaiting()
	if !c.review.scope.Empty() || time.Since(c.review.refresh) > refreshCuts {
		c.review.schedule(0)
	}
}

// compareCuts reads what the kernel cuts, if anything should be cut. Where somebody else has
// changed that, all connections are looked at anew. It reports whether it was read.
func (c *Controller) compareCuts(ctx context.Context) bool {
	if !c.reviews() || c.review.cuts.len() == 0 {
		return false
	}
	held, err := c.Cutter.Cuts(ctx)
	if err != nil {
		c.reviewFailed(ctx, err)
		return false
	}
	if !c.review.cuts.is(held) {
		c.review.cuts, c.review.scope = nil, ruleset.Everything()
		c.review.schedule(0)
	}
	return true
}

// reviewWaiting has what waits for policies of other nodes' pods reviewed again.
func (r *review) reviewWaiting() {
	if !r.waiting.Empty() {
		r.scope, r.waiting = r.scope.Union(r.waiting), ruleset.Scope{}
		r.schedule(reviewDelay)
	}
}

// startReview asks conntrack for what is in the scope.
func (c *Controller) startReview(ctx context.Context) {
	l := look{scope: c.review.scope, left: c.unused(), seen: map[ruleset.Flow]bool{}}
	c.review.urgent = false
	known := map[ruleset.Flow]time.Time{}
	if c.review.cuts != nil {
		known, l.whole = maps.Clone(c.review.cuts.flows), true
	}
	c.review.scope, c.review.looking, c.review.left.due = ruleset.Scope{}, true, false
	c.review.at = time.Time{}
	// Where there are flowtables, what is cut is reviewed again, so that it leaves conntrack.
	again := c.kernel.bypassed
	// This runs on the goroutine of the look, so it uses copies of what belongs to the loop.
	keep := func(connection ruleset.Connection) bool {
		if l.left[connection.From.Addr()]+l.left[connection.To.Addr()] > 0 {
			return true
		}
		if _, cut := known[connection.Flow()]; cut {
			l.seen[connection.Flow()] = true
			return (again || connection.EitherEnd()) && l.scope.Covers(connection)
		}
		return l.scope.Covers(connection)
	}
	go func() {
		began := time.Now()
		l.err = c.Connections.Review(ctx, keep, c.review.decider(ctx))
		l.took = time.Since(began)
		c.review.over <- l
	}()
}

// finishReview takes over what a look has found.
func (c *Controller) finishReview(ctx context.Context, l look) {
	c.review.looking = false
	c.Log.Debug("looked at open connections", "took", l.took, "error", l.err)
	err := l.err
	if err == nil {
		err = c.updateCuts(ctx, l)
	}
	if err != nil {
		// Nothing of the scope counts as looked at, so all of it is due again.
		c.review.scope = c.review.scope.Union(l.scope)
		c.reviewFailed(ctx, err)
		return
	}
	c.review.looked, c.review.failures, c.review.took = true, 0, l.took
	c.replaceOthers(ctx)
	c.leftoversEnded(l)
	c.warnFull()
	// With a pause of four times its length, a look takes a fifth of a processor.
	rest := min(4*l.took, longestPause)
	if c.review.urgent {
		rest = 0
	}
	c.review.notBefore = time.Now().Add(rest)
	if !c.review.scope.Empty() {
		c.review.schedule(reviewDelay)
	}
	c.scheduleLeftovers()
}

// warnFull says where so many clients have been cut that no more are listed.
func (c *Controller) warnFull() {
	if !c.review.full {
		c.Health.warn("connections", nil)
		return
	}
	const text = "too many clients have open connections that are no longer allowed: they are ended, " +
		"and what their servers still send is decided as if it were new; " +
		"expected fewer clients, or policies that let their servers open nothing to them"
	if c.Health.warn("connections", map[string]string{"cut": text}) {
		c.Log.Warn(text, "clients", maxCutClients)
	}
}

// reviewFailed forgets what is cut, since that is not sure any more, says so, and tries again.
func (c *Controller) reviewFailed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	c.review.cuts = nil
	c.review.failures++
	c.review.schedule(retryReview)
	if c.Health.warn("connections", map[string]string{"open": err.Error()}) {
		c.Log.Error("connections that are no longer allowed may stay open; trying again", "error",
			err)
	}
}
