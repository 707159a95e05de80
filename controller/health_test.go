package controller

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
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

// What a kernel lacks is said by /readyz, and by a metric, though nothing was heard of the cluster yet.
func TestWhatTheKernelLacksIsSaid(t *testing.T) {
	lister := features{{Name: "bridge_hooks", Since: "3.14", Here: true, Otherwise: "nothing"},
		{Name: "table_owner", Since: "6.9", Otherwise: "repaired, not refused"}}
	c := start(t, Config{Source: make(script), Firewall: &kernel{}, Features: lister})
	eventually(t, "said", func() bool { return len(c.Health.Readiness().KernelLacks) > 0 })
	want := []string{"table_owner (Linux 6.9): repaired, not refused"}
	if got := c.Health.Readiness().KernelLacks; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	answer := httptest.NewRecorder()
	c.Health.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, line := range []string{`picket_kernel_feature{feature="bridge_hooks"} 1`,
		`picket_kernel_feature{feature="table_owner"} 0`} {
		if !strings.Contains(answer.Body.String(), line) {
			t.Errorf("no line %s", line)
		}
	}
}

// What keeps a node from being ready is said by name, and no longer than it does.
func TestMetricsOfReadiness(t *testing.T) {
	h := newHealth()
	for _, step := range []struct{ part, reason, want string }{
		{"sync", "", "picket_not_ready{part=\"kernel\"} 1\npicket_ready 0\n"},
		{"host", "no bridge", "picket_not_ready{part=\"host\"} 1\n" +
			"picket_not_ready{part=\"kernel\"} 1\npicket_ready 0\n"},
		{"kernel", "", "picket_not_ready{part=\"host\"} 1\npicket_ready 0\n"},
		{"host", "", "picket_ready 1\n"},
	} {
		h.set(step.part, step.reason)
		answer, got := httptest.NewRecorder(), ""
		h.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		for line := range strings.Lines(answer.Body.String()) {
			if strings.HasPrefix(line, "picket_not_ready") || strings.HasPrefix(line, "picket_ready") {
				got += line
			}
		}
		if got != step.want {
			t.Errorf("%s %q: %sexpected\n%s", step.part, step.reason, got, step.want)
		}
	}
}

// features is a kernel that can do what it says.
type features []ruleset.Feature

func (f features) Features() ([]ruleset.Feature, error) { return f, nil }

// loading is a kernel whose module is loaded after it was asked some times, and that holds no rule
// before.
type loading struct {
	kernel
	asked int
}

func (l *loading) Features() ([]ruleset.Feature, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked++
	return []ruleset.Feature{{Name: "nf_tables", Since: "3.13", Here: l.asked > 2}}, nil
}

// What a node lacks that is not ready is asked for again: somebody may load what is missing.
func TestWhatIsLoadedLateIsNoLongerLacking(t *testing.T) {
	l, mail := &loading{}, make(script)
	l.fail = func(int) error {
		if l.asked > 2 {
			return nil
		}
		return errors.New("no nf_tables")
	}
	c := start(t, Config{Source: mail, Firewall: l, Features: l})
	eventually(t, "it lacks", func() bool { return len(c.Health.Readiness().KernelLacks) == 1 })
	mail <- Mail{Events: cluster(), Synced: true}
	eventually(t, "it lacks nothing, and is ready", func() bool {
		r := c.Health.Readiness()
		return r.Ready && len(r.KernelLacks) == 0
	})
}
