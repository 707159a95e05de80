package drops

import (
	"context"
	"log/slog"
	"time"

	"github.com/picket-project/picket/ruleset"
)

// Reader reads the log of denied packets.
type Reader interface {
	// Read passes on what comes until a time, and returns how many packets it has lost. An error
	// ends the reader.
	Read(until time.Time, take func(ruleset.Logged)) (lost uint64, err error)
	Close() error
}

// Names knows who has which address, and whose chains there are.
type Names interface {
	// Name returns one drop for each line.
	Name(context.Context, []Line) ([]Drop, error)
	// Subjects returns the subject of each chain; that of one which nobody remembers is what its name
	// says.
	Subjects(context.Context, []ruleset.ChainID) ([]Subject, error)
	// Chains returns the chains of pods, also of those that are gone since minutes.
	Chains(context.Context) ([]ruleset.ChainID, error)
}

// Meter counts for metrics.
type Meter interface {
	CountDenied(s Subject, packets uint64)
	CountAudited(s Subject, packets uint64) // that were let through
	CountLost(packets uint64)               // of the sample
	Reading(on bool)
}

// Counter reads how many packets the chains have denied.
type Counter struct {
	All   func(context.Context) ([]ruleset.DenialCount, error)
	Every time.Duration // between looks at all chains
	// Some reads a few chains; nil: that costs as much as all.
	Some func(context.Context, []ruleset.ChainID) ([]ruleset.DenialCount, error)
	// LogName is what the log calls a chain; nil: its ID.
	LogName func(ruleset.ChainID) string
}

// Watcher follows what is denied. Its exported fields are set before Run.
type Watcher struct {
	Open    func() (Reader, error) // nil: the log is not read
	Counter Counter
	Names   Names
	Meter   Meter
	Deliver func([]Drop) // is called by Run's goroutine
	Log     *slog.Logger

	// The fields below belong to the goroutine of Run.
	reader  Reader            // nil: the log is not open
	retry   time.Time         // no attempt to open the log before this
	said    map[string]string // what does not work, by part
	lines   *lines            // of this second
	waiting []Line            // for their names
	sums    sums
	counted time.Time                  // when all chains were last
	balance map[ruleset.Counted]int64  // denied and not in a line; below 0: not counted yet
	hot     map[ruleset.ChainID]bool   // may have denied more than the log shows
	ids     map[string]ruleset.ChainID // by the name in the log
	known   subjects
	// uncredited was denied, and is in no metric yet.
	uncredited map[ruleset.Counted]uint64
}

// prepare makes the maps.
func (w *Watcher) prepare() {
	w.said, w.lines, w.known = map[string]string{}, newLines(), newSubjects()
	w.balance, w.hot = map[ruleset.Counted]int64{}, map[ruleset.ChainID]bool{}
	w.ids, w.uncredited = map[string]ruleset.ChainID{}, map[ruleset.Counted]uint64{}
}

// Run works until ctx ends. It looks at what came once a second, at its end.
func (w *Watcher) Run(ctx context.Context) {
	w.prepare()
	w.countAll(ctx) // where the counters begin
	for ctx.Err() == nil {
		// Lines begin and end with the seconds of the clock, so that those of several nodes compare.
		w.gather(ctx, time.Now().Truncate(time.Second).Add(time.Second))
		w.tell(ctx)
	}
	// The group is free for the next agent at once.
	if w.reader != nil {
		_ = w.reader.Close()
	}
}

// openAgain is the pause before another attempt to read the log.
const openAgain = 5 * time.Second

// gather reads the log until a time, or waits where it can't be read.
func (w *Watcher) gather(ctx context.Context, until time.Time) {
	// While one agent takes the place of another, the one before still has the log.
	if w.reader == nil && w.Open != nil && !time.Now().Before(w.retry) {
		w.retry = time.Now().Add(openAgain)
		r, err := w.Open()
		if w.say("read denied packets", err); err == nil {
			w.reader = r
		}
		w.Meter.Reading(err == nil)
	}
	// Counting goes on without the log.
	if w.reader == nil {
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(until)):
		}
		return
	}
	lost, err := w.reader.Read(until, func(p ruleset.Logged) { w.lines.add(p, time.Now()) })
	w.Meter.CountLost(lost)
	// A reader that has failed is opened anew, after a pause.
	if err != nil {
		w.say("read denied packets", err)
		_ = w.reader.Close()
		w.reader = nil
		w.Meter.Reading(false)
	}
}

// say logs what does not work, once for as long as it stays so, and that it works again.
func (w *Watcher) say(part string, err error) {
	// Only what differs from what was said last is news.
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == w.said[part] {
		return
	}
	if w.said[part] = text; text != "" {
		w.Log.Warn("denied packets are not all told of; the rules are in force", "part", part,
			"error", text)
		return
	}
	w.Log.Info("works again", "part", part)
}
