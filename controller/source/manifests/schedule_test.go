package manifests

import (
	"strings"
	"testing"
	"time"
)

func TestAgenda(t *testing.T) {
	type note struct {
		ms   int
		name string // "?": take
		want string
	}
	for name, notes := range map[string][]note{
		"read when quiet":            {{0, "a", ""}, {3, "?", ""}, {5, "?", "a"}, {9, "?", ""}},
		"an event puts it off":       {{0, "a", ""}, {4, "a", ""}, {6, "?", ""}, {9, "?", "a"}},
		"but not for ever":           {{0, "a", ""}, {4, "a", ""}, {8, "a", ""}, {12, "a", ""}, {16, "a", ""}, {19, "a", ""}, {20, "?", "a"}},
		"names wait on their own":    {{0, "a", ""}, {3, "b", ""}, {5, "?", "a"}, {8, "?", "b"}},
		"within a moment: together":  {{0, "b", ""}, {1, "a", ""}, {5, "?", "a b"}},
		"the folder comes first":     {{0, "a", ""}, {0, "", ""}, {5, "?", " a"}},
		"an event after the reading": {{0, "a", ""}, {5, "?", "a"}, {6, "a", ""}, {9, "?", ""}, {11, "?", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Unix(0, 0)
			a := newAgenda(5*time.Millisecond, 20*time.Millisecond)
			for _, n := range notes {
				now := start.Add(time.Duration(n.ms) * time.Millisecond)
				if n.name != "?" {
					a.note(n.name, now)
					continue
				}
				got := strings.Join(a.take(now), " ")
				if got != n.want {
					t.Fatalf("at %d ms: %q, want %q", n.ms, got, n.want)
				}
				if a.alarm.IsZero() != (len(a.dates) == 0) {
					t.Fatalf("at %d ms: alarm %v for %v", n.ms, a.alarm, a.dates)
				}
			}
		})
	}
}

func TestAgendaAt(t *testing.T) {
	a := newAgenda(time.Millisecond, time.Second)
	now := time.Unix(0, 0)
	a.at("a", now.Add(time.Hour))
	if got := a.take(now.Add(time.Minute)); len(got) > 0 || !a.alarm.Equal(now.Add(time.Hour)) {
		t.Errorf("%v, alarm %v", got, a.alarm)
	}
	a.note("a", now.Add(time.Minute))
	if got := a.take(now.Add(2 * time.Minute)); len(got) != 1 {
		t.Error("an event does not bring the date forward")
	}
}
