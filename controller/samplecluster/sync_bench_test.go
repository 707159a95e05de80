package samplecluster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/controller"
	"github.com/picket-project/picket/controller/graph"
	"github.com/picket-project/picket/controller/samplecluster"
	"github.com/picket-project/picket/controller/source"
	"github.com/picket-project/picket/nft"
	"github.com/picket-project/picket/ruleset"
)

// The controller starts with everything at hand and an empty kernel, and is done when the kernel
// has committed its first ruleset. Listing from an API server comes before that and is not in it.
func BenchmarkFirstSync(b *testing.B) {
	needKernel(b)
	for _, pods := range sizes() {
		cluster := samplecluster.New(samplecluster.Sized(pods), 1)
		b.Run(fmt.Sprintf("pods=%d", pods), func(b *testing.B) { benchmarkFirstSync(b, cluster) })
	}
}

func benchmarkFirstSync(b *testing.B, cluster samplecluster.Cluster) {
	b.ReportAllocs()
	var total, processor samples
	var phases [len(phaseUnits)]samples
	for b.Loop() {
		b.StopTimer()
		runtime.GC() // what an earlier start has left is not this one's to collect
		f := &firstCommit{Backend: newBackend(b), last: time.Now()}
		before := processorTime()
		b.StartTimer()
		f.run(b, cluster)
		processor = append(processor, processorTime()-before)
		sum := time.Duration(0)
		for i, took := range f.phases {
			phases[i] = append(phases[i], took)
			sum += took
		}
		total = append(total, sum)
		_ = f.Close()
	}
	total.report(b, "ns/op")
	b.ReportMetric(float64(total.at(0)), "fastest-ns")
	processor.report(b, "cpu-ns")
	for i, unit := range phaseUnits {
		phases[i].report(b, unit)
	}
}

// phaseUnits name the phases of a start: all is in the graph, the kernel is observed, the program
// is compiled and compared, the kernel has committed it.
var phaseUnits = [...]string{"graph-ns", "observe-ns", "compile-ns", "commit-ns"}

// firstCommit is a backend that ends the controller after its first commit, and notes the times.
type firstCommit struct {
	*nft.Backend
	phases [len(phaseUnits)]time.Duration
	last   time.Time // end of the phase before
	failed error
	done   func()
}

// run runs a controller until its first commit.
func (f *firstCommit) run(b *testing.B, cluster samplecluster.Cluster) {
	ctx, done := context.WithCancel(b.Context())
	defer done()
	f.done, f.last = done, time.Now()
	c := controller.New(controller.Config{
		Node: samplecluster.LocalNode, Source: listed{cluster}, Firewall: f,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
	})
	if err := errors.Join(c.Run(ctx), f.failed); err != nil {
		b.Fatal(err)
	}
}

func (f *firstCommit) endPhase(phase int) {
	now := time.Now()
	f.phases[phase] += now.Sub(f.last)
	f.last = now
}

// Observe ends the first and the second phase.
func (f *firstCommit) Observe(ctx context.Context) (ruleset.Observed, error) {
	f.endPhase(0)
	have, err := f.Backend.Observe(ctx)
	f.endPhase(1)
	return have, err
}

// Apply ends the third and the last phase, and with them the controller.
func (f *firstCommit) Apply(ctx context.Context, d ruleset.Delta) error {
	f.endPhase(2)
	f.failed = f.Backend.Apply(ctx, d)
	f.endPhase(3)
	f.done()
	return f.failed
}

// listed is a source that has everything at hand, as informers that have synced; each object is
// converted and delivered by itself, as they do.
type listed struct{ samplecluster.Cluster }

// Run delivers all objects.
func (l listed) Run(ctx context.Context, deliver func(source.Mail)) error {
	deliverAll(l.Nodes, deliver)
	deliverAll(l.Namespaces, deliver)
	deliverAll(l.Policies, deliver)
	deliverAll(l.Pods, deliver)
	deliver(source.Mail{Synced: true})
	<-ctx.Done()
	return nil
}

func deliverAll[T any](objects []T, deliver func(source.Mail)) {
	for _, o := range objects {
		deliver(source.Mail{Events: []graph.Event{graph.EventOf(o)}})
	}
}

// needKernel skips a benchmark where no network namespace can be had; REQUIRE_KERNEL=1 makes that a
// failure.
func needKernel(b *testing.B) {
	b.Helper()
	if err := inNewNamespace(func() error { return nil }); err != nil {
		if os.Getenv("REQUIRE_KERNEL") == "1" || !errors.Is(err, unix.EPERM) {
			b.Fatal(err)
		}
		b.Skipf("SKIPPED, THE KERNEL IS NOT MEASURED: %v", err)
	}
}

// newBackend opens a backend in a network namespace of its own, which its socket keeps alive.
func newBackend(b *testing.B) (backend *nft.Backend) {
	b.Helper()
	err := inNewNamespace(func() (err error) {
		backend = nft.Open(nft.Options{NoOwner: true})
		_, err = backend.Features() // opens the socket
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = backend.Close() })
	return backend
}

// inNewNamespace runs a function in a new network namespace.
func inNewNamespace(f func() error) error {
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		return err
	}
	defer home.Close()
	fresh, err := netns.New()
	if err != nil {
		runtime.UnlockOSThread()
		return err
	}
	defer fresh.Close()
	err = f()
	// the thread stays locked, and ends with its goroutine
	if back := netns.Set(home); back != nil {
		return errors.Join(err, back)
	}
	runtime.UnlockOSThread()
	return err
}
