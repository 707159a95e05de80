package drops

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/picket-project/picket/ruleset"
)

const (
	// sampled is how many packets of a chain the log shows at least in a second in which it leaves
	// some out.
	sampled = ruleset.LogRate
	// gathered is for how long the kernel gathers packets for the log, and longer.
	gathered = 300 * time.Millisecond
	// mostCounted is how many chains are counted beside the looks at all.
	mostCounted = 64
)

// tell delivers the lines of the last second, with how many packets more there were.
func (w *Watcher) tell(ctx context.Context) {
	// Under another name a line would be told beside its own packets, so it waits for its chain's.
	if !w.learnNames(ctx) {
		return
	}
	before := maps.Clone(w.lines.shown)
	looked := w.count(ctx)
	// What is counted has been logged, and is on its way. So none of it is missed in the log and told
	// as more.
	if looked != none && w.reader != nil {
		w.gather(ctx, time.Now().Add(gathered))
	}
	w.credit(ctx)
	w.take(before, looked)
	w.tellMore()
	w.deliver(ctx)
}

// look is what has been counted.
type look uint8

const (
	none look = iota
	some      // chains that may have denied more than the log shows
	all
)

// count counts all chains where that is due, else those that may have denied more than the log
// shows.
func (w *Watcher) count(ctx context.Context) look {
	busy := map[ruleset.ChainID]bool{}
	for name, n := range w.lines.shown {
		if id := w.chain(name.chain); n >= sampled {
			w.hot[id], busy[id] = true, true
		}
	}
	// One that shows little now is looked at for the last time.
	defer maps.DeleteFunc(w.hot, func(id ruleset.ChainID, _ bool) bool { return !busy[id] })
	if time.Since(w.counted) >= w.Counter.Every {
		return w.countAll(ctx)
	}
	// Nearly always nothing is flooded, and nothing is asked.
	if len(w.hot) == 0 || w.Counter.Some == nil {
		return none
	}
	chains := slices.Sorted(maps.Keys(w.hot))
	// The others wait for the look at all.
	chains = chains[:min(len(chains), mostCounted)]
	counts, err := w.Counter.Some(ctx, chains)
	if w.say("count denied packets", err); err != nil {
		return none
	}
	w.add(w.sums.some(counts))
	return some
}

// countAll counts all chains.
func (w *Watcher) countAll(ctx context.Context) look {
	w.counted = time.Now()
	counts, err := w.Counter.All(ctx)
	if ctx.Err() != nil {
		return none // that it was broken off says nothing
	}
	if w.say("count denied packets", err); err != nil {
		return none
	}
	w.add(w.sums.all(counts))
	return all
}

// add takes in what chains have denied since they were counted before.
func (w *Watcher) add(more map[ruleset.Counted]uint64) {
	for of, n := range more {
		w.balance[of] += int64(n)
		w.uncredited[of] += n
	}
}

// take takes over the lines. What they show is not in what is told as more.
func (w *Watcher) take(before map[logName]uint64, looked look) {
	list, shown := w.lines.take()
	late := map[ruleset.Counted]int64{}
	for name, n := range shown {
		of := ruleset.Counted{Chain: w.chain(name.chain), Audited: name.audited}
		w.balance[of] -= int64(n)
		late[of] += int64(n - before[name])
	}
	for _, line := range list {
		line.Chain = w.chain(line.Logged.Chain)
		w.waiting = append(w.waiting, *line)
	}
	for of, n := range w.balance {
		// The log can show more than was counted only of what came after the look. The counters of
		// rules that went before it have gone with them.
		if looked == all {
			n = max(n, -late[of])
		}
		if w.balance[of] = n; n == 0 {
			delete(w.balance, of)
		}
	}
}

// chain returns the chain that the log names.
func (w *Watcher) chain(name string) ruleset.ChainID {
	if id, known := w.ids[name]; known {
		return id
	}
	return ruleset.ChainID(name)
}

// learnNames asks which chains there are if the log has a name that is not known yet: some names are
// too long for it. It returns false while the loop does not say.
func (w *Watcher) learnNames(ctx context.Context) bool {
	known := func(n logName) bool { _, is := w.ids[n.chain]; return is }
	names := slices.Collect(maps.Keys(w.lines.shown))
	if w.Counter.LogName == nil || !slices.ContainsFunc(names, func(n logName) bool { return !known(n) }) {
		return true
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	chains, err := w.Names.Chains(ctx)
	if err != nil {
		return false
	}
	// Chains come and go, so all names are made anew.
	clear(w.ids)
	for _, id := range chains {
		w.ids[w.Counter.LogName(id)] = id
	}
	return true
}

// credit has metrics count what was denied. It waits where the loop does not say yet whose it is.
func (w *Watcher) credit(ctx context.Context) {
	if len(w.uncredited) == 0 {
		return
	}
	// A chain that went meanwhile is remembered by the loop, so its packets are counted as its pod's.
	list := slices.Collect(maps.Keys(w.uncredited))
	chains := make([]ruleset.ChainID, len(list))
	for i, of := range list {
		chains[i] = of.Chain
	}
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	subjects, err := w.Names.Subjects(ctx, chains)
	if err != nil {
		return
	}
	for i, of := range list {
		s := w.known.bounded(subjects[i])
		if of.Audited {
			w.Meter.CountAudited(s, w.uncredited[of])
		} else {
			w.Meter.CountDenied(s, w.uncredited[of])
		}
	}
	clear(w.uncredited)
}

// tellMore adds to the last line of each chain how many packets are in no line.
func (w *Watcher) tellMore() {
	last := map[ruleset.Counted]int{}
	for i, line := range w.waiting {
		last[line.of()] = i
	}
	for of, more := range w.balance {
		if more <= 0 {
			continue
		}
		delete(w.balance, of)
		at, is := last[of]
		// It has a line of its own where the log shows none.
		if !is {
			at = len(w.waiting)
			w.waiting = append(w.waiting, Line{Time: time.Now(), Chain: of.Chain,
				Logged: ruleset.Logged{Audited: of.Audited}})
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
		oldest := w.waiting[0]
		w.balance[oldest.of()] += int64(oldest.Packets) + int64(oldest.More)
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
