package sandbox_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"sync"
	"testing"

	"github.com/picket-project/picket/controller"
	"github.com/picket-project/picket/controller/conntrack"
	"github.com/picket-project/picket/controller/host"
	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
)

// agent is the product on one node.
type agent struct {
	rig     *rig
	node    string
	options rigOptions
	ns      *os.File // the node's network namespace
	control *controller.Controller
	backend kernel
	tap     *tap // between them
	deliver func(source.Mail)
	stop    func() // ends the controller and its backend; the rules stay
	marks   int
}

func newAgent(r *rig, node string, o rigOptions) *agent {
	a := &agent{rig: r, node: node, options: o, tap: &tap{}, stop: func() {}}
	r.must(r.InNode(node, func() (err error) {
		a.ns, err = os.Open("/proc/thread-self/ns/net")
		return err
	}))
	r.t.Cleanup(func() {
		a.stop()
		a.ns.Close()
	})
	return a
}

// start runs a new controller over a new backend, which knows nothing yet.
func (a *agent) start(t testing.TB) {
	t.Helper()
	open := a.options.open
	if open == nil {
		open = openBackend
	}
	a.backend = open(int(a.ns.Fd()), a.options.shared)
	a.tap.kernel = a.backend
	var connections *conntrack.Table
	a.rig.must(a.rig.InNode(a.node, func() (err error) {
		connections, err = conntrack.Open()
		return err
	}))
	source := make(feed, 1)
	machine := visitor{a.rig, a.node, &host.Host{}}
	var around controller.Host = machine
	if a.options.readOnly {
		around = restrained{machine, a.ns}
	}
	a.control = controller.New(controller.Config{
		Node: a.node, Denial: a.options.denial, DenyUnknown: a.options.strict, Source: source,
		Firewall: a.tap, Host: around, Addresses: machine, HostWatcher: machine,
		Connections: connections, Cutter: a.tap, Guard: a.tap, Flowtables: a.tap, Separator: a.tap,
		Features: a.tap, Log: errorLog(t),
	})
	a.run(t, connections)
	a.deliver = <-source
}

func (a *agent) run(t testing.TB, connections *conntrack.Table) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.control.Run(ctx) }()
	a.stop = func() {
		a.stop = func() {}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("controller of %s: %v", a.node, err)
		}
		connections.Close()
		if err := a.backend.Close(); err != nil {
			t.Errorf("backend of %s: %v", a.node, err)
		}
	}
}

// mark sends a mail that changes nothing and can be recognised.
func (a *agent) mark() {
	a.marks++
	a.deliver(source.Mail{Synced: true, Complaints: map[string]string{
		"mark": fmt.Sprint(a.marks)}})
}

// marked reports whether the last mark was read.
func (a *agent) marked() bool {
	return a.control.Health.Readiness().Warnings["source mark"] == fmt.Sprint(a.marks)
}

// ready reports whether the rules of a node are in force, and nothing is being found out of it. A world
// may have no object for the node, and pods that are not built: those that claim one address, of which
// none has it.
func (a *agent) ready() bool {
	state := a.control.Health.Readiness()
	for part := range state.Reasons {
		if part != "node" && part != "hidden" {
			return false
		}
	}
	return len(state.Pending) == 0
}

func (a *agent) await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	if !poll(condition) {
		t.Fatalf("node %s: not within %v: %s; readiness: %+v", a.node, patience, what,
			a.control.Health.Readiness())
	}
}

// feed is a source that a test speaks through.
type feed chan func(source.Mail)

func (f feed) Run(ctx context.Context, deliver func(source.Mail)) error {
	f <- deliver
	<-ctx.Done()
	return nil
}

// kernel is what a rig needs of a backend.
type kernel interface {
	controller.Firewall
	controller.Cutter
	controller.Guard
	controller.FlowtableLister
	controller.Separator
	controller.FeatureLister
	Close() error
}

func openNft(netns int, shared bool) kernel {
	return nft.Open(nft.Options{NetNS: netns, NoOwner: shared})
}

// tap sits between a controller and its backend: it keeps what was applied, can break it, and lets
// a test look at what the kernel holds too.
type tap struct {
	mu sync.Mutex // guards the fields below, and that the backend is used by one at a time
	kernel
	applied []ruleset.Delta
	broken  func(apply func() error) error // instead of apply; nil: it works
}

func (p *tap) Observe(ctx context.Context) (ruleset.Observed, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kernel.Observe(ctx)
}

func (p *tap) Apply(ctx context.Context, d ruleset.Delta) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	apply := func() error { return p.kernel.Apply(ctx, d) }
	if d.Empty() {
		return apply()
	}
	if p.broken != nil {
		return p.broken(apply)
	}
	p.applied = append(p.applied, d)
	return apply()
}

func (p *tap) Untouched(ctx context.Context) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kernel.Untouched(ctx)
}

func (p *tap) Cuts(ctx context.Context) (ruleset.Cuts, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kernel.Cuts(ctx)
}

func (p *tap) Cut(ctx context.Context, c ruleset.CutChange) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kernel.Cut(ctx, c)
}

func (p *tap) Flowtables(ctx context.Context) ([]string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kernel.Flowtables(ctx)
}

func (p *tap) KeepsRouters() bool { return p.kernel.KeepsRouters() }

func (p *tap) PutSegment(ctx context.Context, s ruleset.Segment) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kernel.PutSegment(ctx, s)
}

func (p *tap) Features() ([]ruleset.Feature, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.kernel.Features()
}

// look says what the kernel holds and leaves the backend as if nobody had looked.
func (p *tap) look(ctx context.Context) (ruleset.Observed, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	have, err := p.kernel.Observe(ctx)
	if err != nil {
		return have, err
	}
	return have, p.kernel.Apply(ctx, ruleset.Delta{})
}

// breakdown sets what happens instead of Apply from now on.
func (p *tap) breakdown(f func(apply func() error) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = f
}

// drain returns what was applied since it was last asked.
func (p *tap) drain() []ruleset.Delta {
	p.mu.Lock()
	defer p.mu.Unlock()
	applied := p.applied
	p.applied = nil
	return applied
}

// visitor is the product's look at its host, taken in a node's namespace.
type visitor struct {
	rig  *rig
	node string
	host *host.Host
}

func (v visitor) Prepare(pods []netip.Addr) (wiring ruleset.Wiring, err error) {
	visit := func() (err error) {
		wiring, err = v.host.Prepare(pods)
		return err
	}
	if err := v.rig.InNode(v.node, visit); err != nil {
		return ruleset.Wiring{}, err
	}
	return wiring, nil
}

func (v visitor) Filtered() bool {
	on := false
	visit := func() error { on = v.host.Filtered(); return nil }
	return v.rig.InNode(v.node, visit) == nil && on
}

func (v visitor) Filter() error { return v.rig.InNode(v.node, v.host.Filter) }

func (v visitor) Watch(ctx context.Context, changed func()) error {
	return v.rig.InNode(v.node, func() error { return v.host.Watch(ctx, changed) })
}

func (v visitor) Addresses() (own []netip.Addr, ranges []netip.Prefix, err error) {
	entered := v.rig.InNode(v.node, func() (err error) {
		own, ranges, err = v.host.Addresses()
		return err
	})
	return own, ranges, entered
}

func (v visitor) Behind(addrs []netip.Addr) (behind []netip.Addr, err error) {
	entered := v.rig.InNode(v.node, func() (err error) {
		behind, err = v.host.Behind(addrs)
		return err
	})
	return behind, entered
}
