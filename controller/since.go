package controller

import "time"

// Since is what has happened since the start, for verbs.
type Since struct {
	NotReady  time.Time // when the node ceased to be ready; zero: it is
	Committed time.Time // when the kernel's rules were last changed; zero: never
	Repairs   int       // how often rules that somebody had changed were repaired
	Pods      int       // of this node, as they were counted with a commit
}

// Since says it. Any goroutine may call it.
func (h *Health) Since() Since {
	h.mu.Lock()
	defer h.mu.Unlock()
	since := h.since
	// A loop that hangs has not noted it.
	if since.NotReady.IsZero() && h.isBusy() {
		since.NotReady = h.busy
	}
	return since
}

// noteReady notes when the node ceased to be ready, or that it is. The caller holds the lock.
func (h *Health) noteReady() {
	switch {
	case len(h.reasons) == 0:
		h.since.NotReady = time.Time{}
	// A second reason does not make it begin anew.
	case h.since.NotReady.IsZero():
		h.since.NotReady = time.Now()
	}
}
