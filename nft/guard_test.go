package nft

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/nftables"
	"github.com/vishvananda/netns"

	"github.com/picket-project/picket/ruleset"
	"github.com/picket-project/picket/ruleset/pace"
)

// speed scales limits, so that a slow machine is not taken for a fault.
var speed = pace.Measure()

// watch counts the reports of a backend's watch until the test ends.
func watch(t *testing.T, b *Backend) (reports chan bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	reports, done := make(chan bool, 1000), make(chan error, 1)
	go func() { done <- b.Watch(ctx, func() { reports <- true }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	wantReport(t, reports, "at the start")
	return reports
}

// wantReport waits for a report of a change.
func wantReport(t *testing.T, reports chan bool, what string) {
	t.Helper()
	select {
	case <-reports:
	case <-time.After(speed.Limit(10 * time.Second)):
		t.Fatalf("no report %s", what)
	}
}

// wantNoReport fails if a report comes all the same.
func wantNoReport(t *testing.T, reports chan bool, what string) {
	t.Helper()
	select {
	case <-reports:
		t.Errorf("a report %s", what)
	case <-time.After(speed.Wait(300 * time.Millisecond)):
	}
}

func wantUntouched(t *testing.T, b *Backend, want bool, when string) {
	t.Helper()
	if untouched, err := b.Untouched(t.Context()); err != nil || untouched != want {
		t.Errorf("%s: untouched %t, error %v", when, untouched, err)
	}
}

// netnsFd is a backend's own view of the test's network namespace, which a goroutine needs that
// is not on the test's thread.
func netnsFd(t *testing.T) int {
	t.Helper()
	ns, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return int(ns)
}

// What others do to the table is reported, again and again; what they do to theirs, and the
// backend to its own, is not.
func TestWatchReportsOthers(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true, NetNS: netnsFd(t)})
	converge(t, b, sample(ruleset.Drop))
	reports := watch(t, b)
	converge(t, b, sample(ruleset.Reject))
	cut(t, b, ruleset.CutChange{Add: sampleCuts()}, sampleCuts())
	wantNoReport(t, reports, "of the backend's own changes")
	nftProgram(t, "table inet foreign { set s { type ipv4_addr; elements = { 10.0.0.1 }; }; "+
		"chain c { type filter hook forward priority 0; }; }", "-f", "-")
	nftProgram(t, "table ip picket { chain c { }; }", "-f", "-")
	wantNoReport(t, reports, "of another table")
	for _, row := range append(ruleTamperings[:3:3], elementTamperings[:4]...) {
		nftProgram(t, row.resolve(t), "-f", "-")
		wantReport(t, reports, "of: "+row.name)
	}
	nftProgram(t, "flush ruleset", "-f", "-")
	wantReport(t, reports, "of a flushed ruleset")
}

// More than the socket holds is reported as well.
func TestWatchReportsWhatItLost(t *testing.T) {
	newNetns(t)
	ns := netnsFd(t)
	b := open(t, Options{NoOwner: true, NetNS: ns})
	// the kernel makes that 2 kB, which are not read for so long
	b.watchBuffer, b.watchRest = 1, 3*time.Second
	converge(t, b, sample(ruleset.Drop))
	other, err := open(t, Options{NoOwner: true, NetNS: ns}).dial()
	if err != nil {
		t.Fatal(err)
	}
	reports := watch(t, b)
	nftProgram(t, "add chain inet picket mine", "-f", "-")
	wantReport(t, reports, "of a change, after which nobody reads for a while")
	foreign := other.AddTable(&nftables.Table{Name: "foreign", Family: nftables.TableFamilyINet})
	set := &nftables.Set{Table: foreign, Name: "s", KeyType: nftables.TypeIPAddr}
	var elements []nftables.SetElement
	for i := range 2000 {
		elements = append(elements, nftables.SetElement{Key: []byte{10, 0, byte(i >> 8), byte(i)}})
	}
	if err := errors.Join(other.AddSet(set, elements), other.Flush()); err != nil {
		t.Fatal(err)
	}
	wantReport(t, reports, "of what was lost")
}

// Whether anybody else has committed since is known for sure, or not at all.
func TestUntouched(t *testing.T) {
	bothOwnerships(t, func(t *testing.T, b *Backend) {
		wantUntouched(t, b, false, "before anything was observed")
		converge(t, b, sample(ruleset.Drop))
		wantUntouched(t, b, true, "after its own transactions")
		cut(t, b, ruleset.CutChange{Add: sampleCuts()}, sampleCuts())
		cut(t, b, ruleset.CutChange{Lift: sampleCuts(), Last: true}, ruleset.Cuts{})
		wantUntouched(t, b, true, "after cuts")
		nftProgram(t, "table inet foreign { }", "-f", "-")
		wantUntouched(t, b, false, "after another table was made")
		converge(t, b, sample(ruleset.Drop))
		wantUntouched(t, b, true, "after it was observed again")
	})
}
