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
	// List returns those that keep wants. It may take long; the loop does not wait for it.
	List(ctx context.Context, keep func(ruleset.Connection) bool) ([]ruleset.Connection, error)
	// End takes some out of what the kernel knows, so that the next packet of each is judged as its first.
	End(context.Context, []ruleset.Connection) error
}

// Cutter is a kernel that can drop all packets of single connections.
type Cutter interface {
	// Cuts says whose packets it drops now.
	Cuts(context.Context) ([]ruleset.Connection, error)
	// Cut changes that, all or nothing; after an error nothing is known.
	Cut(context.Context, ruleset.Cuts) error
}

// review cuts the open connections that a change of policy forbids, and lets those go on that it allows
// again:
//
//	commit ─► scope of what it can have forbidden ─► look: conntrack, in a goroutine ─► judge: Decide ─► Cut
//
// The look comes after the commit, so a connection that is opened too late for it is judged by the new rules.
// Changes that come meanwhile share the next look.
type review struct {
	begun   bool          // a ruleset was committed
	scope   ruleset.Scope // of all that was committed since the last look; at first, everything
	due     *time.Timer
	looking bool
	found   chan look
	cuts    map[ruleset.Connection]time.Time // and when conntrack last had it; nil: not known
	refresh time.Time                        // when conntrack was last asked for all of them
}

// look is what one look at conntrack was for, and what it found.
type look struct {
	scope ruleset.Scope
	whole bool // the cuts themselves were asked for, too
	list  []ruleset.Connection
	took  time.Duration
	err   error
}

const (
	settle       = 50 * time.Millisecond  // from a commit to the look: packets that were judged before it are through
	longestPause = 500 * time.Millisecond // between looks, which take a fifth of a processor at most
	retryReview  = time.Second
	refreshCuts  = time.Hour
	// forgetCut is how long a cut outlives its entry in conntrack. Until then the server can't open it anew by
	// speaking first, not even if its client makes conntrack believe that it is over.
	forgetCut = 24 * time.Hour
)

func newReview() review {
	return review{scope: ruleset.Everything(), due: stopped(), found: make(chan look, 1)}
}

// reviews reports whether connections can be cut here.
func (c *Controller) reviews() bool { return c.Connections != nil && c.Cutter != nil }

// widen takes a delta that the kernel holds now into the next review.
func (c *Controller) widen(delta ruleset.Delta) {
	if !c.reviews() || !c.whole || delta.Empty() && c.review.begun {
		return
	}
	c.review.begun = true
	if delta.Clear {
		c.review.cuts = nil
	}
	c.review.scope = c.review.scope.Union(ruleset.ScopeOf(delta, c.graph.Subjects))
	if !c.review.scope.Empty() || len(c.review.cuts) > 0 {
		c.review.schedule(settle)
	}
}

func (r *review) schedule(pause time.Duration) {
	if !r.looking {
		r.due.Reset(pause)
	}
}

// recheck is for the audit: what the kernel cuts is read anew, and what conntrack knows of it, now and then.
func (c *Controller) recheck(ctx context.Context) {
	if !c.reviews() || len(c.review.cuts) == 0 {
		return
	}
	held, err := c.Cutter.Cuts(ctx)
	if err != nil {
		c.reviewFailed(ctx, err)
		return
	}
	missing := maps.Clone(c.review.cuts)
	for _, connection := range held {
		delete(missing, connection)
	}
	if len(missing) > 0 || len(held) != len(c.review.cuts) {
		c.review.cuts, c.review.scope = nil, ruleset.Everything()
	}
	c.review.schedule(0)
}

// look asks conntrack for what is in the scope.
func (c *Controller) look(ctx context.Context) {
	l := look{scope: c.review.scope, whole: len(c.review.cuts) > 0 && time.Since(c.review.refresh) > refreshCuts}
	c.review.scope, c.review.looking = ruleset.Scope{}, true
	if l.scope.Empty() && !l.whole {
		c.review.found <- l
		return
	}
	keep := l.scope.Covers
	if l.whole {
		cuts := maps.Clone(c.review.cuts)
		keep = func(connection ruleset.Connection) bool {
			_, cut := cuts[connection]
			return cut || l.scope.Covers(connection)
		}
	}
	go func() {
		began := time.Now()
		l.list, l.err = c.Connections.List(ctx, keep)
		l.took = time.Since(began)
		c.review.found <- l
	}()
}

// judged ends a look: what it found is decided by the program as it is now.
func (c *Controller) judged(ctx context.Context, l look) {
	c.review.looking = false
	err := l.err
	if err == nil {
		err = c.judgeOpen(ctx, l)
	}
	if err != nil {
		c.review.scope = c.review.scope.Union(l.scope)
		c.reviewFailed(ctx, err)
		return
	}
	c.Health.warn("connections", nil)
	if !c.review.scope.Empty() {
		c.review.schedule(min(max(settle, 4*l.took), longestPause))
	}
}

func (c *Controller) reviewFailed(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	c.review.cuts = nil
	c.review.schedule(retryReview)
	if c.Health.warn("connections", map[string]string{"open": err.Error()}) {
		c.Log.Error("connections that are no longer allowed may stay open; trying again", "error", err)
	}
}

func (c *Controller) judgeOpen(ctx context.Context, l look) error {
	if err := c.knowCuts(ctx); err != nil {
		return err
	}
	if len(l.list)+len(c.review.cuts) == 0 {
		return nil
	}
	now := time.Now()
	change := c.recut(l, now)
	if err := c.Cutter.Cut(ctx, change); err != nil {
		return err
	}
	for _, connection := range change.Lift {
		delete(c.review.cuts, connection)
	}
	for _, connection := range change.Add {
		c.review.cuts[connection] = now
	}
	if len(change.Add)+len(change.Lift) > 0 {
		c.Log.Info("open connections judged anew", "cut", len(change.Add), "lifted", len(change.Lift), "cut in all", len(c.review.cuts))
	}
	c.Health.cut(len(change.Add), len(c.review.cuts))
	return c.endCut(ctx, l.list)
}

// knowCuts reads what the kernel cuts, as an earlier process may have left it.
func (c *Controller) knowCuts(ctx context.Context) error {
	if c.review.cuts != nil {
		return nil
	}
	held, err := c.Cutter.Cuts(ctx)
	if err != nil {
		return err
	}
	c.review.cuts, c.review.refresh = map[ruleset.Connection]time.Time{}, time.Now()
	for _, connection := range held {
		c.review.cuts[connection] = time.Now()
	}
	return nil
}

// ends are the addresses of these connections and of all that are cut.
func (c *Controller) ends(list []ruleset.Connection) []netip.Addr {
	all := map[netip.Addr]bool{}
	for _, connection := range list {
		all[connection.From.Addr()], all[connection.To.Addr()] = true, true
	}
	for connection := range c.review.cuts {
		all[connection.From.Addr()], all[connection.To.Addr()] = true, true
	}
	return slices.Collect(maps.Keys(all))
}

// recut says what becomes of each connection that was found or is cut.
func (c *Controller) recut(l look, now time.Time) ruleset.Cuts {
	var change ruleset.Cuts
	program := c.graph.Around(c.ends(l.list))
	denies := func(connection ruleset.Connection) bool {
		verdict, _ := program.Decide(connection.Flow())
		return verdict == ruleset.Deny
	}
	for _, connection := range l.list {
		if _, cut := c.review.cuts[connection]; cut {
			c.review.cuts[connection] = now
		} else if denies(connection) {
			change.Add = append(change.Add, connection)
		}
	}
	for connection, seen := range c.review.cuts {
		if l.whole && now.Sub(seen) > forgetCut || !denies(connection) {
			change.Lift = append(change.Lift, connection)
		}
	}
	if l.whole {
		c.review.refresh = now
	}
	change.Last = len(change.Lift) > 0 && len(c.review.cuts)+len(change.Add) == len(change.Lift)
	return change
}
