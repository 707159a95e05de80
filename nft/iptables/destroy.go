package iptables

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel lets go of a set a moment after the last rule that looked it up is gone, and of one
// that somebody reads after that.
const (
	destroyTries = 5
	destroyPause = 10 * time.Millisecond
)

// collect destroys the sets that are due for it. Those that are still in use stay due.
func (b *Backend) collect(ctx context.Context) {
	for try := range destroyTries {
		if len(b.pending) == 0 || ctx.Err() != nil {
			return
		}
		if try > 0 {
			time.Sleep(destroyPause)
		}
		b.destroy()
	}
}

// destroy asks the kernel once for each set. A program for each would take a hundred times as long,
// and one for all ends at the first set that is in use.
func (b *Backend) destroy() {
	kernel, err := b.dial()
	if err != nil {
		return
	}
	defer kernel.Close()
	for name := range b.pending {
		_, err := kernel.Execute(setMessage(ipsetDestroy, name))
		if err == nil || errors.Is(err, unix.ENOENT) {
			delete(b.pending, name)
		}
	}
}
