package manifests

import (
	"maps"
	"slices"
	"time"
)

// schedule says when which file name of a folder is to be read. Each event on a name puts the
// reading off until the writer pauses, but not for ever. The empty name stands for the folder as
// a whole.
type schedule struct {
	quiet, most time.Duration // see config
	names       map[string]deadline
	next        time.Time // no name is due earlier; zero if there is none
}

// deadline is when a name was first changed since it was last read, and when it is to be read.
type deadline struct{ first, due time.Time }

// tolerance is how much too early a name may be read: what one rename or one script changes
// within a moment belongs into one Update.
const tolerance = time.Millisecond

// newSchedule returns an empty schedule.
func newSchedule(quiet, most time.Duration) *schedule {
	return &schedule{quiet: quiet, most: most, names: map[string]deadline{}}
}

// changed schedules a name after an event on it.
func (s *schedule) changed(name string, now time.Time) {
	d, scheduled := s.names[name]
	if !scheduled {
		d.first = now
	}
	d.due = now.Add(s.quiet)
	if latest := d.first.Add(s.most); latest.Before(d.due) {
		d.due = latest
	}
	s.set(name, d)
}

// setDue schedules a name for a time, which changed may bring forward.
func (s *schedule) setDue(name string, due time.Time) {
	s.set(name, deadline{first: due, due: due})
}

// set replaces the deadline of a name and keeps next up to date.
func (s *schedule) set(name string, d deadline) {
	s.names[name] = d
	if s.next.IsZero() || d.due.Before(s.next) {
		s.next = d.due
	}
}

// takeAll removes and returns all names, due or not, sorted.
func (s *schedule) takeAll() []string {
	all := slices.Sorted(maps.Keys(s.names))
	clear(s.names)
	s.next = time.Time{}
	return all
}

// takeDue removes and returns the names that are due, sorted.
func (s *schedule) takeDue(now time.Time) []string {
	var due []string
	s.next = time.Time{}
	for name, d := range s.names {
		if d.due.After(now.Add(tolerance)) {
			s.set(name, d)
			continue
		}
		due = append(due, name)
		delete(s.names, name)
	}
	slices.Sort(due)
	return due
}
