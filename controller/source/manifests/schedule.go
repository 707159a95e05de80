package manifests

import (
	"maps"
	"slices"
	"time"
)

// agenda says when which name is to be read. Events put a reading off until the
// writer pauses, but not for ever. The zero name is the folder as a whole.
type agenda struct {
	quiet, most time.Duration
	dates       map[string]date
	alarm       time.Time // no date is earlier; zero if there is none
}

// date is when a name was first mentioned since it was last read, and when it is due.
type date struct{ first, due time.Time }

// together is how much too early a name may be read: what one rename or one
// script touches within a moment belongs into one Update.
const together = time.Millisecond

func newAgenda(quiet, most time.Duration) *agenda {
	return &agenda{quiet: quiet, most: most, dates: map[string]date{}}
}

// note puts down that something happened to a name.
func (a *agenda) note(name string, now time.Time) {
	d, ok := a.dates[name]
	if !ok {
		d.first = now
	}
	d.due = now.Add(a.quiet)
	if latest := d.first.Add(a.most); latest.Before(d.due) {
		d.due = latest
	}
	a.set(name, d)
}

// at puts down a date of its own for a name; note may bring it forward.
func (a *agenda) at(name string, due time.Time) {
	a.set(name, date{first: due, due: due})
}

func (a *agenda) set(name string, d date) {
	a.dates[name] = d
	if a.alarm.IsZero() || d.due.Before(a.alarm) {
		a.alarm = d.due
	}
}

// takeAll removes and gives all names, due or not, sorted.
func (a *agenda) takeAll() []string {
	all := slices.Sorted(maps.Keys(a.dates))
	clear(a.dates)
	a.alarm = time.Time{}
	return all
}

// take removes and gives the names that are due, sorted.
func (a *agenda) take(now time.Time) []string {
	var due []string
	a.alarm = time.Time{}
	for name, d := range a.dates {
		if d.due.After(now.Add(together)) {
			a.set(name, d)
			continue
		}
		due = append(due, name)
		delete(a.dates, name)
	}
	slices.Sort(due)
	return due
}
