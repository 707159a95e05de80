package pace

import (
	"testing"
	"time"
)

// A limit is never shorter than on a usual machine, and grows with the machine's slowness up to a most.
func TestScales(t *testing.T) {
	for _, row := range []struct {
		speed       Speed
		limit, wait time.Duration
	}{
		{1, time.Second, time.Second}, {5, 5 * time.Second, 5 * time.Second},
		{10, 10 * time.Second, mostWaited * time.Second},
		{1000, mostSlower * time.Second, mostWaited * time.Second},
	} {
		limit, wait := row.speed.Limit(time.Second), row.speed.Wait(time.Second)
		if limit != row.limit || wait != row.wait {
			t.Errorf("%v times slower: limit %v, wait %v", row.speed, limit, wait)
		}
	}
	if s := Measure(); s < 1 {
		t.Errorf("measured %v", s)
	}
}
