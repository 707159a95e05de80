package controller

import (
	"context"
	"time"
)

const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

// longer returns the pause that follows a pause which ended in another failure.
func longer(backoff time.Duration) time.Duration {
	return min(max(2*backoff, firstBackoff), lastBackoff)
}

// retryTimer is due when something that failed is to be tried again: after each failure in a row a
// little later.
type retryTimer struct {
	due     *time.Timer
	backoff time.Duration // from the last failure until then; 0: it went well
}

// newRetryTimer returns one that waits for a failure.
func newRetryTimer() retryTimer { return retryTimer{due: stoppedTimer()} }

// after takes an attempt into account; nil is one that went well.
func (t *retryTimer) after(err error) {
	if err == nil {
		t.backoff = 0
		return
	}
	t.backoff = longer(t.backoff)
	t.due.Reset(t.backoff)
}

// stoppedTimer returns a timer that fires once it is set.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	// NewTimer starts the timer, so it is stopped long before it is due.
	t.Stop()
	return t
}

// sleep returns after a while, or when ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
