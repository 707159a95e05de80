package manifests

import (
	"strings"
	"testing"
	"time"
)

// Names are read when their writer pauses, in any case after a while, and together if that is
// possible.
func TestSchedule(t *testing.T) {
	type event struct {
		ms   int
		name string // "?": take what is due
		want string
	}
	for name, events := range map[string][]event{
		"read when quiet":      {{0, "a", ""}, {3, "?", ""}, {5, "?", "a"}, {9, "?", ""}},
		"an event puts it off": {{0, "a", ""}, {4, "a", ""}, {6, "?", ""}, {9, "?", "a"}},
		"but not for ever": {
			{0, "a", ""}, {4, "a", ""}, {8, "a", ""}, {12, "a", ""}, {16, "a", ""}, {19, "a", ""},
			{20, "?", "a"},
		},
		"names wait on their own":   {{0, "a", ""}, {3, "b", ""}, {5, "?", "a"}, {8, "?", "b"}},
		"within a moment: together": {{0, "b", ""}, {1, "a", ""}, {5, "?", "a b"}},
		"the folder comes first":    {{0, "a", ""}, {0, "", ""}, {5, "?", " a"}},
		"an event after the reading": {
			{0, "a", ""}, {5, "?", "a"}, {6, "a", ""}, {9, "?", ""}, {11, "?", "a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Unix(0, 0)
			s := newSchedule(5*time.Millisecond, 20*time.Millisecond)
			for _, e := range events {
				now := start.Add(time.Duration(e.ms) * time.Millisecond)
				if e.name != "?" {
					s.changed(e.name, now)
					continue
				}
				got := strings.Join(s.takeDue(now), " ")
				if got != e.want {
					t.Fatalf("at %d ms: %q, want %q", e.ms, got, e.want)
				}
				if s.next.IsZero() != (len(s.names) == 0) {
					t.Fatalf("at %d ms: next %v of %v", e.ms, s.next, s.names)
				}
			}
		})
	}
}

// An event brings a time that was set forward.
func TestScheduleSetDue(t *testing.T) {
	s := newSchedule(time.Millisecond, time.Second)
	now := time.Unix(0, 0)
	s.setDue("a", now.Add(time.Hour))
	if got := s.takeDue(now.Add(time.Minute)); len(got) > 0 || !s.next.Equal(now.Add(time.Hour)) {
		t.Errorf("%v, next %v", got, s.next)
	}
	s.changed("a", now.Add(time.Minute))
	if got := s.takeDue(now.Add(2 * time.Minute)); len(got) != 1 {
		t.Error("an event does not bring the time forward")
	}
}
