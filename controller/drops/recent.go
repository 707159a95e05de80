package drops

import (
	"context"
	"slices"
	"sync"
)

const (
	maxRecent    = 1000 // lines that are kept for who asks later
	maxFollowers = 16
	maxBehind    = 256 // lines that wait for one follower
)

// Recent keeps the last lines, and passes new ones on to who follows.
type Recent struct {
	mu        sync.Mutex // guards the fields below
	list      []Drop
	followers map[chan Drop]bool
}

// Add takes lines in. A follower that is too slow misses some.
func (r *Recent) Add(list []Drop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, list...)
	// The oldest make room.
	if over := len(r.list) - maxRecent; over > 0 {
		r.list = slices.Delete(r.list, 0, over)
	}
	for follower := range r.followers {
		for _, d := range list {
			select {
			case follower <- d:
			default: // it is too slow
			}
		}
	}
}

// List returns the last lines, the oldest first.
func (r *Recent) List() []Drop {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.list)
}

// Follow returns the last lines, and a channel of those that come until ctx ends. The channel is nil
// if too many follow.
func (r *Recent) Follow(ctx context.Context) ([]Drop, <-chan Drop) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.followers) >= maxFollowers {
		return slices.Clone(r.list), nil
	}
	if r.followers == nil {
		r.followers = map[chan Drop]bool{}
	}
	// There is room for a moment in which the follower writes.
	follower := make(chan Drop, maxBehind)
	r.followers[follower] = true
	context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.followers, follower)
	})
	return slices.Clone(r.list), follower
}
