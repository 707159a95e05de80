package controller

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/policy"
)

// kernel is a Memory that many may look at, and that fails when it is told to.
type kernel struct {
	mu     sync.Mutex // guards the fields below
	memory ruleset.Memory
	deltas []ruleset.Delta
	fail   func(call int) error // asked at each call; nil: never
	calls  int
	lost   int // so many answers of Apply still get lost: it is carried out, and fails
}

// lose has the next answer of Apply get lost.
func (k *kernel) lose() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lost++
}

func (k *kernel) Form() ruleset.Form { return k.memory.Form() }

func (k *kernel) Observe(ctx context.Context) (ruleset.Observed, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.broken(); err != nil {
		return ruleset.Observed{}, err
	}
	return k.memory.Observe(ctx)
}

func (k *kernel) Apply(ctx context.Context, d ruleset.Delta) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.broken(); err != nil {
		return err
	}
	if err := k.memory.Apply(ctx, d); err != nil {
		return err
	}
	if !d.Empty() {
		k.deltas = append(k.deltas, d)
	}
	if k.lost > 0 {
		k.lost--
		return unix.ENOBUFS
	}
	return nil
}

func (k *kernel) broken() error {
	k.calls++
	if k.fail == nil {
		return nil
	}
	return k.fail(k.calls)
}

// program is what the kernel holds, as text.
func (k *kernel) program() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.memory.Program().String()
}

func (k *kernel) transactions() []ruleset.Delta {
	k.mu.Lock()
	defer k.mu.Unlock()
	return append([]ruleset.Delta{}, k.deltas...)
}

// script is a Source that the test speaks for.
type script chan Mail

func (s script) Run(ctx context.Context, deliver func(Mail)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case m := <-s:
			deliver(m)
		}
	}
}

// start runs a controller until the test ends.
func start(t *testing.T, c Config) *Controller {
	t.Helper()
	ctl, stop := run(t, c)
	t.Cleanup(stop)
	return ctl
}

// run runs a controller until it is stopped.
func run(t *testing.T, c Config) (ctl *Controller, stop func()) {
	t.Helper()
	c.Node = cmp.Or(c.Node, "n1")
	c.Log = cmp.Or(c.Log, slog.New(slog.NewTextHandler(io.Discard, nil)))
	ctl = New(c)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- ctl.Run(ctx) }()
	return ctl, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// cluster is one pod that a policy isolates, as events.
func cluster() []graph.Event {
	return []graph.Event{
		graph.PolicySet{Policy: deny("default", "deny")},
		graph.PodSet{Pod: pod("web", "10.244.1.5")},
	}
}

// A controller that starts and can't read everything leaves the isolation that it finds, also of
// pods that it knows, and takes it away when it knows all.
func TestWhatWasNotReadStaysIsolated(t *testing.T) {
	k, first := &kernel{}, script(make(chan Mail))
	_, stop := run(t, Config{Source: first, Firewall: k})
	first <- Mail{Events: append(cluster(), graph.PodSet{Pod: pod("other", "10.244.1.6")}),
		Synced: true}
	eventually(t, "isolated", func() bool {
		return strings.Contains(k.program(), "ingress 10.244.1.6")
	})
	stop()

	second := script(make(chan Mail))
	start(t, Config{Source: second, Firewall: k})
	known, fresh := graph.PodSet{Pod: pod("web", "10.244.1.5")}, pod("new", "10.244.1.7")
	fresh.Namespace = "elsewhere"
	second <- Mail{Events: []graph.Event{known}, Synced: true, Blind: true,
		Complaints: map[string]string{"policies.yaml": "is no YAML"}}
	second <- Mail{Events: []graph.Event{graph.PodSet{Pod: fresh},
		graph.PolicySet{Policy: deny("elsewhere", "deny")}}}
	eventually(t, "what is read is isolated", func() bool {
		return strings.Contains(k.program(), "ingress 10.244.1.7")
	})
	for _, addr := range []string{"10.244.1.5", "10.244.1.6"} {
		if program := k.program(); !strings.Contains(program, "ingress "+addr) {
			t.Errorf("%s is free:\n%s", addr, program)
		}
	}
	second <- Mail{Complaints: map[string]string{}}
	eventually(t, "no policy is left", func() bool {
		return !strings.Contains(k.program(), "10.244.1.5")
	})
}

func pod(name, addr string) policy.Pod {
	return policy.Pod{Key: policy.Key{Namespace: "default", Name: name}, Node: "n1",
		Addrs: []netip.Addr{netip.MustParseAddr(addr)}}
}

func TestNothingIsTouchedBeforeTheSourceIsSynced(t *testing.T) {
	k, source := &kernel{}, script(make(chan Mail))
	c := start(t, Config{Source: source, Firewall: k, Recheck: 5 * time.Millisecond})
	source <- Mail{Events: cluster()}
	source <- Mail{Events: cluster()}
	time.Sleep(20 * time.Millisecond) // some rechecks
	if k.mu.Lock(); k.calls != 0 {
		t.Errorf("%d calls to the kernel", k.calls)
	}
	k.mu.Unlock()
	if r := c.Health.Readiness(); r.Ready || r.Reasons["sync"] == "" {
		t.Errorf("readiness %+v", r)
	}
	source <- Mail{Synced: true}
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	if !strings.Contains(k.program(), "dispatch ingress 10.244.1.5") {
		t.Errorf("program:\n%s", k.program())
	}
}

// Whatever the kernel answers, the loop converges, says so meanwhile, and never runs hot.
func TestKernelErrors(t *testing.T) {
	for _, err := range []error{unix.EBUSY, unix.EINTR, unix.ENOBUFS, unix.ENOMEM, unix.EPERM,
		unix.ERESTART, unix.EMSGSIZE} {
		t.Run(err.Error(), func(t *testing.T) {
			t.Parallel()
			k, source := &kernel{}, script(make(chan Mail))
			k.fail = func(call int) error {
				if call%4 != 0 {
					return fmt.Errorf("apply: %w", err)
				}
				return nil
			}
			c := start(t, Config{Source: source, Firewall: k})
			source <- Mail{Events: cluster(), Synced: true}
			eventually(t, "the reason is named", func() bool {
				return strings.Contains(c.Health.Readiness().Reasons["kernel"], err.Error())
			})
			k.mu.Lock()
			k.fail = nil
			k.mu.Unlock()
			eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
			source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("late", "10.244.1.6")}}}
			eventually(t, "the next event arrives", func() bool {
				return strings.Contains(k.program(), "10.244.1.6")
			})
		})
	}
}

// Events that keep coming do not make a kernel that refuses be asked any sooner.
func TestBackoffHoldsUnderAStormOfEvents(t *testing.T) {
	k, source := &kernel{fail: func(int) error { return unix.EPERM }}, script(make(chan Mail))
	start(t, Config{Source: source, Firewall: k})
	source <- Mail{Events: cluster(), Synced: true}
	begin := time.Now()
	for i := 0; time.Since(begin) < 4*firstBackoff; i++ {
		source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("late",
			fmt.Sprintf("10.244.1.%d", 10+i%2))}}}
		time.Sleep(time.Millisecond) // or the loop reads many at once
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if most := 1 + int(time.Since(begin)/firstBackoff); k.calls > most {
		t.Errorf("asked %d times within %s, want at most %d", k.calls, time.Since(begin), most)
	}
}

// What a refused transaction held arrives with the next attempt, without another event.
func TestRefusedAfterAllWasWell(t *testing.T) {
	k, source := &kernel{}, script(make(chan Mail))
	c := start(t, Config{Source: source, Firewall: k})
	source <- Mail{Events: cluster(), Synced: true}
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	k.mu.Lock()
	k.fail = func(int) error { return unix.EBUSY }
	k.mu.Unlock()
	source <- Mail{Events: []graph.Event{graph.PodSet{Pod: pod("late", "10.244.1.6")}}}
	eventually(t, "not ready", func() bool { return !c.Health.Readiness().Ready })
	k.mu.Lock()
	k.fail = nil
	k.mu.Unlock()
	eventually(t, "the pod is isolated", func() bool {
		return strings.Contains(k.program(), "dispatch ingress 10.244.1.6")
	})
}

// A transaction whose answer is lost may have been carried out: it is observed, not repeated.
func TestCommittedInSpiteOfAnError(t *testing.T) {
	k, source := &kernel{}, script(make(chan Mail))
	c := start(t, Config{Source: source, Firewall: lossy{k, &sync.Once{}}})
	source <- Mail{Events: cluster(), Synced: true}
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	if n := len(k.transactions()); n != 1 {
		t.Errorf("%d transactions, want 1", n)
	}
}

// lossy loses the answer to the first transaction.
type lossy struct {
	*kernel
	once *sync.Once
}

func (l lossy) Apply(ctx context.Context, d ruleset.Delta) error {
	err := l.kernel.Apply(ctx, d)
	l.once.Do(func() { err = errors.Join(err, unix.ENOBUFS) })
	return err
}

func TestAuditRepairsDrift(t *testing.T) {
	k, source := &kernel{}, script(make(chan Mail))
	c := start(t, Config{Source: source, Firewall: k, Recheck: 10 * time.Millisecond})
	source <- Mail{Events: cluster(), Synced: true}
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	want := k.program()
	k.mu.Lock()
	k.memory = ruleset.Memory{}
	k.mu.Unlock()
	eventually(t, "repaired", func() bool { return k.program() == want })
	eventually(t, "counted", func() bool {
		return strings.Contains(get(c, "/metrics"), "picket_drift_repairs_total 1")
	})
}

func get(c *Controller, path string) string {
	w := httptest.NewRecorder()
	c.Health.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return fmt.Sprint(w.Code, " ", w.Body.String())
}

func TestHealthOverHTTP(t *testing.T) {
	k, source := &kernel{}, script(make(chan Mail))
	c := start(t, Config{Source: source, Firewall: k})
	if got := get(c, "/readyz"); !strings.HasPrefix(got, "503") ||
		!strings.Contains(got, `"sync"`) {
		t.Errorf("/readyz before: %s", got)
	}
	bad := deny("default", "bad")
	bad.Problems = policy.Parse(badPolicy).Problems
	source <- Mail{Events: append(cluster(), graph.PolicySet{Policy: bad}), Synced: true,
		Complaints: map[string]string{"x.yaml": "is no YAML"}}
	eventually(t, "ready", func() bool { return strings.HasPrefix(get(c, "/readyz"), "200") })
	for _, want := range []string{`"policy default/bad"`, "spec.ingress[0].from[0].ipBlock.cidr",
		`"source x.yaml"`} {
		if got := get(c, "/readyz"); !strings.Contains(got, want) {
			t.Errorf("/readyz lacks %s: %s", want, got)
		}
	}
	for _, want := range []string{"picket_ready 1", "picket_policies_with_problems 1",
		"picket_source_complaints 1", `picket_transactions_total{result="committed"} 1`,
		`picket_objects{kind="pods"} 1`} {
		if got := get(c, "/metrics"); !strings.Contains(got, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	source <- Mail{Complaints: map[string]string{"y.yaml": "was never read"}, Blind: true}
	eventually(t, "not ready while something was never read", func() bool {
		return strings.HasPrefix(get(c, "/readyz"), "503")
	})
	source <- Mail{Complaints: map[string]string{},
		Events: []graph.Event{graph.PolicyGone{Key: bad.Key}}}
	eventually(t, "all is well", func() bool {
		return !strings.Contains(get(c, "/readyz"), "warnings")
	})
}

// reports counts what reaches the people.
type reports chan []policy.Problem

func (r reports) Report(p []policy.Problem) { r <- p }
func (r reports) Warn(string)               {}

func TestAProblemIsReportedOnce(t *testing.T) {
	k, source, told := &kernel{}, script(make(chan Mail)), reports(make(chan []policy.Problem, 10))
	c := start(t, Config{Source: source, Firewall: k, Reporter: told})
	event := graph.PolicySet{Policy: policy.Parse(badPolicy)}
	for range 3 {
		source <- Mail{Events: []graph.Event{event}, Synced: true}
	}
	eventually(t, "ready", func() bool { return c.Health.Readiness().Ready })
	if len(told) != 1 {
		t.Errorf("reported %d times", len(told))
	}
	source <- Mail{Events: []graph.Event{graph.PolicyGone{Key: event.Policy.Key}, event}}
	eventually(t, "reported again after it was gone", func() bool { return len(told) == 2 })
}

// moody is a Host that fails for a while.
type moody struct{ fails *atomic.Int32 }

func (h moody) Prepare([]netip.Addr) (ruleset.Wiring, error) {
	if h.fails.Add(-1) >= 0 {
		return ruleset.Wiring{}, errors.New("no memory")
	}
	return ruleset.Wiring{Links: []ruleset.Link{{Name: "cni0"}}}, nil
}

func (moody) Filtered() bool { return true }

func (moody) Filter() error { return nil }

func (moody) Watch(ctx context.Context, _ func()) error {
	<-ctx.Done()
	return nil
}

// What the host refuses is tried again long before the next recheck.
func TestHostIsPreparedAgainAfterAnError(t *testing.T) {
	k, source, host := &kernel{}, script(make(chan Mail)), moody{new(atomic.Int32)}
	host.fails.Store(3)
	c := start(t, Config{Source: source, Firewall: k, Host: host, Recheck: time.Hour})
	source <- Mail{Events: cluster(), Synced: true}
	eventually(t, "not ready", func() bool {
		return strings.Contains(fmt.Sprint(c.Health.Readiness()), "no memory")
	})
	eventually(t, "ready, with the link", func() bool {
		return c.Health.Readiness().Ready && strings.Contains(k.program(), "link cni0")
	})
}
