package drops

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/picket-project/picket/ruleset"
)

// sampled is how many packets of a chain the log shows at least in a second in which it leaves some
// out: the rate of the rules' limit.
const sampled = 10

// tell delivers the lines of the last second, with how many packets more there were.
func (w *Watcher) tell(ctx context.Context) {
	list, shown := w.lines.take()
	// What a line shows is not in what is told as more, once the kernel has counted it.
	for name, n := range shown {
		id := w.chain(name)
		w.balance[id] -= int64(n)
		if n >= sampled {
			w.hot[id] = true
		}
	}
	for _, line := range list {
		line.Chain = w.chain(line.Logged.Chain)
		w.waiting = append(w.waiting, *line)
	}
	if w.Counter.Some != nil {
		w.countHot(ctx, shown)
	}
	w.deliver(ctx)
}

// chain returns the chain that the log names.
func (w *Watcher) chain(name string) ruleset.ChainID {
	if id, known := w.ids[name]; known {
		return id
	}
	return ruleset.ChainID(name)
}

// mostCounted is how many chains are counted beside the looks at all.
const mostCounted = 64

// countHot counts the chains that may have denied more than the log shows. One that has shown little
// in the last second is looked at for the last time.
func (w *Watcher) countHot(ctx context.Context, shown map[string]uint64) {
	// Nearly always nothing is flooded, and nothing is asked.
	if len(w.hot) == 0 {
		return
	}
	chains := slices.Sorted(maps.Keys(w.hot))
	// The others wait for the look at all.
	chains = chains[:min(len(chains), mostCounted)]
	counts, err := w.Counter.Some(ctx, chains)
	if w.say("count denied packets", err); err != nil {
		return
	}
	w.credit(ctx, w.sums.some(counts))
	w.tellMore(chains)
	for _, id := range chains {
		if shown[string(id)] < sampled {
			delete(w.hot, id)
		}
	}
}

// countAll counts all chains.
func (w *Watcher) countAll(ctx context.Context) {
	w.counted = time.Now()
	counts, err := w.Counter.All(ctx)
	if ctx.Err() != nil {
		return // that it was broken off says nothing
	}
	if w.say("count denied packets", err); err != nil {
		return
	}
	w.credit(ctx, w.sums.all(counts))
	w.tellMore(slices.Sorted(maps.Keys(w.hot)))
	// Without looks at a few chains this one was the last for what was flooded.
	if w.Counter.Some == nil {
		clear(w.hot)
	}
	// Chains come and go, so the names are made anew.
	clear(w.ids)
	for _, c := range counts {
		if w.Counter.LogName != nil {
			w.ids[w.Counter.LogName(c.Chain)] = c.Chain
		}
	}
	// Of the others nothing was left out: what differs is on its way between counter and log.
	maps.DeleteFunc(w.balance, func(id ruleset.ChainID, _ int64) bool { return !w.hot[id] })
}

// credit takes in what chains have denied since they were counted before. It waits where the loop
// does not say yet whose they are.
func (w *Watcher) credit(ctx context.Context, more map[ruleset.ChainID]uint64) {
	for id, n := range more {
		w.balance[id] += int64(n)
		w.uncredited[id] += n
	}
	if len(w.uncredited) == 0 {
		return
	}
	// A chain that went meanwhile is remembered by the loop, so its packets are counted as its pod's.
	chains := slices.Sorted(maps.Keys(w.uncredited))
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	list, err := w.Names.Subjects(ctx, chains)
	if err != nil {
		return
	}
	for i, id := range chains {
		w.Meter.CountDenied(w.known.bounded(list[i]), w.uncredited[id])
	}
	clear(w.uncredited)
}

// tellMore adds to the last line of each chain how many packets are in no line.
func (w *Watcher) tellMore(chains []ruleset.ChainID) {
	for _, id := range chains {
		more := w.balance[id]
		if more <= 0 {
			continue
		}
		w.balance[id] = 0
		// The last line of the chain, or one of its own where the log shows none.
		at := -1
		for i := range w.waiting {
			if w.waiting[i].Chain == id {
				at = i
			}
		}
		if at < 0 {
			at = len(w.waiting)
			w.waiting = append(w.waiting, Line{Time: time.Now(), Chain: id})
		}
		w.waiting[at].More += uint64(more)
	}
}

// patience is how long the loop may take to answer. Lines wait longer than that, up to their bound.
const patience = 2 * time.Second

// deliver has the lines named, and passes them on.
func (w *Watcher) deliver(ctx context.Context) {
	if len(w.waiting) == 0 {
		return
	}
	// The oldest lines make room; their packets are told as more of their chain.
	for over := len(w.waiting) - maxLines; over > 0; over-- {
		w.balance[w.waiting[0].Chain] += int64(w.waiting[0].Packets) + int64(w.waiting[0].More)
		w.waiting = w.waiting[1:]
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	list, err := w.Names.Name(ctx, w.waiting)
	// The loop is busy; it has the names of that time later, too.
	if err != nil {
		return
	}
	w.waiting = nil
	w.Deliver(list)
}
