package pace

import (
	"testing"
	"time"
)

// A limit is never shorter than on a usual machine, and grows with the machine's slowness up to a
// most.
func TestScales(t *testing.T) {
	for _, row := range []struct {
		speed       Speed
		limit, wait time.Duration
		times       int
	}{
		{1, time.Second, time.Second, 1}, {1.4, 1400 * time.Millisecond, 1400 * time.Millisecond, 1},
		{5, 5 * time.Second, 5 * time.Second, 5}, {10, 10 * time.Second, mostWaited * time.Second, 10},
		{1000, mostSlower * time.Second, mostWaited * time.Second, mostSlower},
	} {
		limit, wait, times := row.speed.Limit(time.Second), row.speed.Wait(time.Second), row.speed.Times()
		if limit != row.limit || wait != row.wait || times != row.times {
			t.Errorf("%v times slower: limit %v, wait %v, %d times", row.speed, limit, wait, times)
		}
	}
	if s := Measure(); s < 1 {
		t.Errorf("measured %v", s)
	}
}
