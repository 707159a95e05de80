package controller

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/picket-project/picket/ruleset"
)

func TestBusyForLongIsNotReady(t *testing.T) {
	h := newHealth()
	h.set("sync", "")
	h.set("kernel", "")
	for _, test := range []struct {
		what   string
		since  time.Time
		reason string
	}{
		{"waiting", time.Time{}, ""},
		{"at work", time.Now(), ""},
		{"at work for long", time.Now().Add(-2 * slow),
			"busy with one thing for 10 s: the kernel does not answer"},
		{"waiting again", time.Time{}, ""},
	} {
		h.busy = test.since
		r := h.Readiness()
		if r.Ready != (test.reason == "") || !strings.HasPrefix(r.Reasons["busy"], test.reason) {
			t.Errorf("%s: %+v", test.what, r)
		}
		if test.reason == "" && len(r.Reasons) > 0 {
			t.Errorf("%s: %q", test.what, r.Reasons)
		}
	}
}

// mute is a kernel that does not answer until it is told to.
type mute struct {
	kernel
	speak chan bool
}

func (m *mute) Apply(ctx context.Context, d ruleset.Delta) error {
	<-m.speak
	return m.kernel.Apply(ctx, d)
}

// busySince is since when the loop has been at work.
func busySince(c *Controller) time.Time {
	c.Health.mu.Lock()
	defer c.Health.mu.Unlock()
	return c.Health.busy
}

func TestLoopIsBusyWhileTheKernelIsMute(t *testing.T) {
	m, mail := &mute{speak: make(chan bool)}, make(script)
	c := start(t, Config{Source: mail, Firewall: m})
	mail <- Mail{Events: cluster(), Synced: true}
	eventually(t, "busy", func() bool { return !busySince(c).IsZero() })
	m.speak <- true
	close(m.speak)
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	eventually(t, "waiting", func() bool { return busySince(c).IsZero() })
}
