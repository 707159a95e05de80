package controller

import (
	"context"
	"time"
)

// Guard is a kernel that tells whether anybody else changes its rules.
type Guard interface {
	// Owned reports whether the kernel refuses everybody else's changes.
	Owned() bool
	// Untouched reports whether surely nobody has changed any since the Firewall last observed.
	Untouched(context.Context) (bool, error)
	// Watch reports that somebody may have, as it happens, until ctx ends.
	Watch(ctx context.Context, changed func()) error
}

// guard watches from the first commit on, where the kernel leaves the rules to be changed by
// anybody.
func (c *Controller) guard(ctx context.Context) {
	if c.Guard == nil || c.kernel.watching {
		return
	}
	owned := c.Guard.Owned()
	c.Health.guarded(owned)
	// The kernel refuses changes by others, so there is nothing to watch.
	if owned {
		return
	}
	c.kernel.watching = true
	go c.watch(ctx)
}

// watch starts anew after an error, when changes may have been missed.
func (c *Controller) watch(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.Guard.Watch(ctx, c.touch)
		if ctx.Err() != nil {
			return
		}
		c.Log.Error("changes by others are noticed late: at the next recheck only", "error", err)
		// A watch that fails at once must not keep the processor busy.
		sleep(ctx, time.Second)
	}
}

// touch tells the loop that somebody may have changed the rules. Any goroutine may call it, and it
// never waits.
func (c *Controller) touch() {
	select {
	case c.kernel.touched <- struct{}{}:
	// The token that is there already says the same.
	default:
	}
}

// checkKernel lets the kernel be observed again, unless surely nobody else has changed anything.
func (c *Controller) checkKernel(ctx context.Context) {
	if c.Guard != nil && c.kernel.known {
		// An error counts as a change.
		if untouched, err := c.Guard.Untouched(ctx); err == nil && untouched {
			return
		}
	}
	c.kernel.known, c.bridge.unknown, c.kernel.unclosed = false, true, true
	c.review.touched = true
}
