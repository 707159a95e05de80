package controller

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/picket-project/picket/controller/source"
)

// Source is where the state of the cluster comes from.
type Source interface {
	// Run delivers what there is and then what changes, until ctx ends. An error means that the
	// source cannot work at all; an error that may pass is a complaint in the mail.
	Run(ctx context.Context, deliver func(source.Mail)) error
}

// mailbox holds the mail that the loop has not read yet. It never blocks a sender.
type mailbox struct {
	mu    sync.Mutex // guards the fields below
	mail  []source.Mail
	since time.Time     // when the oldest unread mail came
	ready chan struct{} // holds one token while there is mail
}

// newMailbox returns an empty one.
func newMailbox() *mailbox { return &mailbox{ready: make(chan struct{}, 1)} }

// put adds a mail for the loop to read. Any goroutine may call it.
func (b *mailbox) put(m source.Mail) {
	b.mu.Lock()
	if len(b.mail) == 0 {
		b.since = time.Now()
	}
	b.mail = append(b.mail, m)
	b.mu.Unlock()
	select {
	case b.ready <- struct{}{}:
	// The loop was told of earlier mail, and will take this one with it.
	default:
	}
}

// take empties the box and says when its oldest mail came.
func (b *mailbox) take() ([]source.Mail, time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	mail := b.mail
	b.mail = nil
	return mail, b.since
}

// sourceState is what the loop knows of its source.
type sourceState struct {
	complaints map[string]string // what it cannot read, by subject
	synced     bool
	blind      bool // it has not read all that there is
	whole      bool // it had, at some time: what is missing in the graph is gone
	nodeSeen   bool // there was an object for this node
}

// read takes the mail into the graph.
func (c *Controller) read() {
	mail, since := c.box.take()
	// The latency is that of the oldest change which the kernel does not hold.
	if c.kernel.changed.IsZero() {
		c.kernel.changed = since
	}
	for _, m := range mail {
		for _, e := range m.Events {
			c.apply(e)
			c.handleReports(e)
			// The time counts from when the mail came, as it may have waited for a commit.
			c.revisions.arrived(e, since)
		}
		if m.Synced && !c.source.synced {
			c.source.synced = true
			c.allDeferredDue()
		}
		if m.Complaints != nil {
			c.source.blind = m.Blind
			c.complain(m.Blind, m.Complaints)
		}
	}
	c.unbindReassigned()
	// This stays so: a part that cannot be read later keeps what was known of it.
	c.source.whole = c.source.whole || c.source.synced && !c.source.blind
	if c.source.synced {
		c.Health.set("sync", "")
		c.checkRange()
		c.checkNode()
	}
}

// checkRange says where unknown pods should be denied and it is not known which addresses could be
// theirs.
func (c *Controller) checkRange() {
	reason := ""
	if c.DenyUnknown && len(c.graph.Ranges()) == 0 {
		reason = fmt.Sprintf(
			"pods that are not known yet are not denied: node %s has no spec.podCIDRs; "+
				"expected the ranges that its pods' addresses come from; let the controller manager "+
				"allocate them (--allocate-node-cidrs), or run with --unknown-pods=allow", c.Node)
	}
	if c.Health.set("unknown-pods", reason) && reason != "" {
		c.Log.Error(reason)
		if c.Reporter != nil {
			c.Reporter.Warn(reason)
		}
	}
}

// complain takes over what the source has to complain of, and logs what is new in that.
func (c *Controller) complain(blind bool, list map[string]string) {
	for subject, text := range list {
		if _, known := c.source.complaints[subject]; !known {
			c.Log.Warn("not everything works; what was known last stays in force", "subject",
				subject, "problem", text)
		}
	}
	for subject := range c.source.complaints {
		if _, still := list[subject]; !still {
			c.Log.Info("works again", "subject", subject)
		}
	}
	c.source.complaints = list
	c.Health.complaints(blind, list)
}
