package controller

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/picket-project/picket/ruleset"
)

// openBatch is connections that a look at conntrack found, for the loop to decide over.
type openBatch struct {
	list   []ruleset.Connection
	answer chan<- fates
}

// fates is what becomes of the connections of a batch.
type fates struct {
	list []ruleset.Fate
	err  error
}

// decider returns what lets the goroutine of a look ask the loop what becomes of connections.
func (r *review) decider(ctx context.Context) ruleset.DecideFates {
	return func(list []ruleset.Connection) ([]ruleset.Fate, error) {
		answer := make(chan fates, 1)
		select {
		// The loop answers each batch that it takes, even when it is about to end.
		case r.found <- openBatch{list, answer}:
			f := <-answer
			return f.list, f.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// decideOpen says what becomes of open connections, by the program as it is now, and cuts those
// that are to be.
func (c *Controller) decideOpen(
	ctx context.Context, list []ruleset.Connection,
) ([]ruleset.Fate, error) {
	if err := c.loadCuts(ctx); err != nil {
		return nil, err
	}
	ends := map[netip.Addr]bool{}
	for _, connection := range list {
		ends[connection.From.Addr()], ends[connection.To.Addr()] = true, true
	}
	// Of the program only the part for these addresses is needed.
	d := decision{cuts: c.review.cuts, denies: c.denials(ends), elsewhere: c.elsewhere(),
		now: time.Now()}
	all := make([]ruleset.Fate, len(list))
	for i, connection := range list {
		if c.isLeft(connection) {
			all[i] = ruleset.Ended
			continue
		}
		all[i] = d.fate(connection)
	}
	// The caller ends entries in conntrack after this returns, when their cuts are in the kernel.
	c.endCut(all)
	c.review.full = c.review.full || d.full
	c.review.waiting = c.review.waiting.Union(ruleset.ScopeOfAddrs(d.waiting...))
	// Without its cut, what ends could be taken up again by the other end.
	if err := c.changeCuts(ctx, ruleset.CutChange{Add: d.added}); err != nil {
		return nil, err
	}
	return all, nil
}

// denials returns what the program denies between some addresses.
func (c *Controller) denials(ends map[netip.Addr]bool) func(ruleset.Flow) bool {
	program, known := c.graph.Excerpt(slices.Collect(maps.Keys(ends))), map[ruleset.Flow]bool{}
	return func(f ruleset.Flow) bool {
		denied, is := known[f]
		if !is {
			verdict, _ := program.Decide(f)
			denied = verdict == ruleset.Denied
			known[f] = denied
		}
		return denied
	}
}

// maxElsewhere is how many pairs of addresses are compiled for other nodes at once.
const maxElsewhere = 64

// elsewhere returns whether other nodes deny a flow.
func (c *Controller) elsewhere() func(ruleset.Flow) bool {
	known := map[[2]netip.Addr][]*ruleset.Program{}
	return func(f ruleset.Flow) bool {
		pair := [2]netip.Addr{f.From, f.To}
		programs, is := known[pair]
		if !is && len(known) == maxElsewhere {
			return true // asked again with the next batch, or the next time
		}
		if !is {
			programs = c.graph.OtherPrograms(f.From, f.To)
			known[pair] = programs
		}
		return slices.ContainsFunc(programs, func(p *ruleset.Program) bool {
			verdict, _ := p.Decide(f)
			return verdict == ruleset.Denied
		})
	}
}

// decision is what is decided over connections, one after the other.
type decision struct {
	cuts              *cuts // that there are, with those that were added
	denies, elsewhere func(ruleset.Flow) bool
	now               time.Time
	added             ruleset.Cuts
	full              bool         // a client found no room
	waiting           []netip.Addr // of connections that another node denies to the other end
}

// fate says what becomes of a connection. Of one that either end could have opened, conntrack tells
// only who was first. If the other may open it, it has to: the entry ends, and so do its replies. A
// TCP connection is not its to take over, only to open.
func (d *decision) fate(c ruleset.Connection) ruleset.Fate {
	switch {
	case !d.denies(c.Flow()):
		return ruleset.Stays
	case !c.EitherEnd() || !d.mayOpen(c.Reverse()):
		return d.cut(c)
	case c.Proto == ruleset.TCP:
		d.cut(c)
	}
	return ruleset.Ended
}

// mayOpen reports whether a connection may be opened, on this node and on that of the other end.
// Else this node would let out what looks like a reply to the other, which knows nothing of what
// was denied here.
func (d *decision) mayOpen(c ruleset.Connection) bool {
	if d.denies(c.Flow()) {
		return false
	}
	if d.elsewhere(c.Flow()) {
		d.waiting = append(d.waiting, c.From.Addr(), c.To.Addr())
		return false
	}
	return true
}

// cut adds the flow of a connection while there is room.
func (d *decision) cut(c ruleset.Connection) ruleset.Fate {
	f := c.Flow()
	_, known := d.cuts.flows[f]
	switch {
	case known:
		d.cuts.flows[f] = d.now
	case d.cuts.opened[f.From] < maxCutsOfClient && len(d.cuts.flows) < maxCuts:
		d.add(ruleset.Cuts{Flows: []ruleset.Flow{f}})
	// There is no room for the flow: the connection ends, and its client is listed.
	default:
		d.list(c)
		return ruleset.Ended
	}
	return ruleset.Cut
}

// list has the server of a connection kept from taking it up again, where it could.
func (d *decision) list(c ruleset.Connection) {
	client := ruleset.Client{Addr: c.From.Addr(), Proto: c.Proto}
	_, known := d.cuts.clients[client]
	// A server that may open no connection to the client cannot take this one up again.
	if known || !c.Proto.HasPorts() || d.denies(c.Reverse().Flow()) {
		return
	}
	if len(d.cuts.clients) == maxCutClients {
		d.full = true
		return
	}
	d.add(ruleset.Cuts{Clients: []ruleset.Client{client}})
}

// add takes in a cut, for the decisions that follow and for the kernel.
func (d *decision) add(added ruleset.Cuts) {
	d.cuts.add(added, d.now)
	d.added.Flows = append(d.added.Flows, added.Flows...)
	d.added.Clients = append(d.added.Clients, added.Clients...)
}

// loadCuts reads what the kernel cuts, as an earlier process may have left it.
func (c *Controller) loadCuts(ctx context.Context) error {
	if c.review.cuts != nil {
		return nil
	}
	held, err := c.Cutter.Cuts(ctx)
	if err != nil {
		return err
	}
	c.review.cuts, c.review.refresh = newCuts(held, time.Now()), time.Now()
	c.Health.cut(0, c.review.cuts.len())
	if held.Len() == 0 { // chains that were left behind go
		return c.changeCuts(ctx, ruleset.CutChange{Last: true})
	}
	return c.lift(ctx, c.review.cuts.flowsIn(ruleset.Everything()))
}

// liftAllowed lets go on what is cut and allowed by a delta, or by one before it that failed and is in
// force for all that.
func (c *Controller) liftAllowed(ctx context.Context, delta ruleset.Delta) error {
	all := c.review.unlifted
	// Where this fails the cuts are read anew, and all that are allowed are lifted then.
	c.review.unlifted = false
	if c.review.cuts.len() == 0 {
		return nil
	}
	touched := ruleset.Everything()
	if !all {
		touched = ruleset.TouchedBy(delta, c.graph.Subjects)
	}
	return c.lift(ctx, c.review.cuts.flowsIn(touched))
}

// lift lets those of some flows go on that are allowed now.
func (c *Controller) lift(ctx context.Context, flows []ruleset.Flow) error {
	if len(flows) == 0 {
		return nil
	}
	ends := map[netip.Addr]bool{}
	for _, f := range flows {
		ends[f.From], ends[f.To] = true, true
	}
	denies := c.denials(ends)
	flows = slices.DeleteFunc(flows, denies)
	return c.changeCuts(ctx, ruleset.CutChange{Lift: ruleset.Cuts{Flows: flows}})
}

// updateCuts takes over what a look has seen of what is cut, and forgets what has been gone for
// long.
func (c *Controller) updateCuts(ctx context.Context, l look) error {
	if err := c.loadCuts(ctx); err != nil {
		return err
	}
	now := time.Now()
	for f := range l.seen {
		if _, still := c.review.cuts.flows[f]; still {
			c.review.cuts.flows[f] = now
		}
	}
	// A look that has not seen everything does not know what is gone.
	if !l.whole {
		return nil
	}
	c.review.refresh = now
	if err := c.changeCuts(ctx, ruleset.CutChange{Lift: c.review.cuts.stale(now)}); err != nil {
		return err
	}
	// This comes after: without any cut no recheck would find that there is room again.
	c.review.full = c.review.full && len(c.review.cuts.clients) == maxCutClients
	return nil
}

// changeCuts changes what the kernel cuts. What is added is in the cuts already.
func (c *Controller) changeCuts(ctx context.Context, change ruleset.CutChange) error {
	if change.Empty() {
		return nil
	}
	c.review.cuts.lift(change.Lift)
	// The kernel needs no chains for cuts when there are none.
	change.Last = c.review.cuts.len() == 0
	if err := c.Cutter.Cut(ctx, change); err != nil {
		// It is not known any more what the kernel cuts, so it is read anew.
		c.review.cuts = nil
		return err
	}
	c.Health.cut(len(change.Add.Flows), c.review.cuts.len())
	if change.Add.Len()+change.Lift.Len() == 0 {
		return nil
	}
	c.Log.Info("open connections reviewed",
		"cut", change.Add.Len(), "lifted", change.Lift.Len(), "cut in all", c.review.cuts.len())
	return nil
}
