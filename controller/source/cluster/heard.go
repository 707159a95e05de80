package cluster

import (
	"sync"
	"time"
)

// hearing is when the API server last said something of each kind of object: that it is watched, or
// an event. About every minute it says at least up to which version all has been said (a bookmark).
type hearing struct {
	mu   sync.Mutex // guards the field below
	last map[string]time.Time
}

// note notes that something was said of a resource.
func (h *hearing) note(resource string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == nil {
		h.last = map[string]time.Time{}
	}
	h.last[resource] = time.Now()
}

// Silence says for how long nothing has been heard of each kind of object that is watched, or was:
// changes may get lost in a connection that stays open. Any goroutine may call it.
func (s *Source) Silence() map[string]time.Duration {
	s.heard.mu.Lock()
	defer s.heard.mu.Unlock()
	silence := map[string]time.Duration{}
	for resource, at := range s.heard.last {
		silence[resource] = time.Since(at)
	}
	return silence
}
