package controller

import (
	"context"
	"sync"
	"time"

	"github.com/picket-project/picket/controller/graph"
)

// Source is where the state of the cluster comes from.
type Source interface {
	// Run delivers what there is and then what changes, until ctx ends. An error means that the source
	// cannot work at all; whatever may pass is a complaint in Mail.
	Run(ctx context.Context, deliver func(Mail)) error
}

// Mail is what a source has to say, in the order in which it became true.
type Mail struct {
	Events []graph.Event
	Synced bool // everything that there was at the start has been said by now
	// Complaints replace the source's earlier ones, if not nil: what it cannot read, by subject.
	Complaints map[string]string
	// Blind says that some of it was never read, or cannot be followed from the start: the node is not ready.
	// Otherwise the last good state of all that Complaints speak of is in force, and they are warnings.
	Blind bool
}

// mailbox holds what the loop has not read yet; it never blocks a sender.
type mailbox struct {
	mu    sync.Mutex // guards the fields below
	mail  []Mail
	since time.Time     // when the oldest unread mail came
	ready chan struct{} // holds one token while there is mail
}

func newMailbox() *mailbox { return &mailbox{ready: make(chan struct{}, 1)} }

func (b *mailbox) put(m Mail) {
	b.mu.Lock()
	if len(b.mail) == 0 {
		b.since = time.Now()
	}
	b.mail = append(b.mail, m)
	b.mu.Unlock()
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

// take empties the box and says when its oldest mail came.
func (b *mailbox) take() ([]Mail, time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	mail := b.mail
	b.mail = nil
	return mail, b.since
}
