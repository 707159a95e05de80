package controller

import "time"

const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 5 * time.Second
)

func longer(backoff time.Duration) time.Duration {
	return min(max(2*backoff, firstBackoff), lastBackoff)
}

// attempts is when something is due again that was tried: after each failure in a row a little later.
type attempts struct {
	due     *time.Timer
	backoff time.Duration // from the last failure until then; 0: it went well
}

func never() attempts { return attempts{due: stopped()} }

// after takes an attempt into account; nil is one that went well.
func (a *attempts) after(err error) {
	if err == nil {
		a.backoff = 0
		return
	}
	a.backoff = longer(a.backoff)
	a.due.Reset(a.backoff)
}

// stopped is a timer that waits to be set.
func stopped() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}
