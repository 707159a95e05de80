package controller

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/picket-project/picket/controller/graph"
)

// flowtables is a kernel with some.
type flowtables struct {
	mu    sync.Mutex // guards the fields below
	names []string
	fail  error
}

func (f *flowtables) Flowtables(context.Context) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.names, f.fail
}

func (f *flowtables) become(fail error, names ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.names, f.fail = names, fail
}

// A flowtable is a warning while it is there, not a reason to be not ready, and what was cut
// before it came leaves conntrack, too.
func TestAFlowtableIsSaidAndWhatIsCutLeavesIt(t *testing.T) {
	w, f, source := newWire("10.244.2.1"), &flowtables{}, script(make(chan Mail))
	c := start(t, Config{Source: source, Firewall: &kernel{}, Connections: w, Cutter: w,
		Flowtables: f, Recheck: 10 * time.Millisecond})
	said := func() string { return c.Health.Readiness().Warnings["flowtable inet fast ft"] }
	counted := func(n string) bool {
		answer := httptest.NewRecorder()
		c.Health.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		return strings.Contains(answer.Body.String(), "\npicket_flowtables "+n+"\n")
	}
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("web", "10.244.1.5")}}, Synced: true}
	source <- isolate
	eventually(t, "cut", w.cut("10.244.2.1"))
	if w.change(func() {}); len(w.open) == 0 || said() != "" {
		t.Errorf("without a flowtable: %v %s", w.open, said())
	}
	f.become(nil, "inet fast ft")
	eventually(t, "it ends", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.open) == 0
	})
	eventually(t, "cut still", w.cut("10.244.2.1"))
	if r := c.Health.Readiness(); !r.Ready || said() == "" || !counted("1") {
		t.Errorf("%+v", r)
	}
	f.become(nil)
	eventually(t, "no warning", func() bool { return said() == "" && counted("0") })
}

// Where nobody knows whether there are any, it is taken that there are.
func TestFlowtablesThatCannotBeListed(t *testing.T) {
	w, source := newWire("10.244.2.1"), script(make(chan Mail))
	f := &flowtables{fail: errors.New("no answer")}
	c := start(t, Config{Source: source, Firewall: &kernel{}, Connections: w, Cutter: w,
		Flowtables: f})
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("web", "10.244.1.5")}}, Synced: true}
	source <- isolate
	eventually(t, "it ends", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.open) == 0
	})
	if r := c.Health.Readiness(); !r.Ready || !strings.Contains(r.Warnings["flowtable unknown"],
		"no answer") {
		t.Errorf("%+v", r)
	}
}
