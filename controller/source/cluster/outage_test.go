package cluster

import (
	"errors"
	"maps"
	"testing"
	"time"
)

// A failure is a complaint at once for what never worked, and after a while for what did.
func TestOutages(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o := outages{}
	o.expect("pods")
	if list, _ := o.complaints(start); len(list) != 0 {
		t.Errorf("before anything was tried: %v", list)
	}
	for _, step := range []struct {
		name  string
		after time.Duration
		err   string // "": it works
		want  string
		blind bool
	}{
		{"refused at first", 0, "refused", "refused", true},
		{"the last reason counts", time.Second, "forbidden", "forbidden", true},
		{"works", 2 * time.Second, "", "", false},
		{"fails", time.Minute, "refused", "", false},
		{"fails for a while", time.Minute + complaintDelay - 1, "refused", "", false},
		{"fails for long", time.Minute + complaintDelay, "forbidden", "forbidden", false},
		{"works again", 2 * time.Minute, "", "", false},
		{"fails anew", 2*time.Minute + complaintDelay, "refused", "", false},
	} {
		now := start.Add(step.after)
		if step.err == "" {
			o.succeeded("pods")
		} else {
			o.failed("pods", errors.New(step.err), now)
		}
		want := map[string]string{}
		if step.want != "" {
			want["pods"] = step.want
		}
		if list, blind := o.complaints(now); !maps.Equal(list, want) || blind != step.blind {
			t.Errorf("%s: %v, blind %t", step.name, list, blind)
		}
	}
}

// The state is blind if one of the subjects never worked.
func TestOutagesOfTwo(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	o := outages{}
	o.expect("pods")
	o.failed("pods", errors.New("forbidden"), start)
	o.failed("events", errors.New("refused"), start)
	if list, blind := o.complaints(start.Add(complaintDelay)); len(list) != 2 || !blind {
		t.Errorf("%v, blind %t", list, blind)
	}
	o.succeeded("pods")
	if list, blind := o.complaints(start.Add(complaintDelay)); len(list) != 1 || blind {
		t.Errorf("%v, blind %t", list, blind)
	}
}
