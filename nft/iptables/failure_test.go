package iptables

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
)

// failing has a program fail until the function that is returned is called.
func failing(t *testing.T, program string) (mend func()) {
	t.Helper()
	folder := t.TempDir()
	script := "#!/bin/sh\necho 'Another app is currently holding the xtables lock.' >&2\nexit 4\n"
	if err := os.WriteFile(filepath.Join(folder, program), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	t.Setenv("PATH", folder+":"+path)
	return func() { t.Setenv("PATH", path) }
}

// fencedPort is a segment that needs rules of both families.
var fencedPort = ruleset.Segment{
	Ports: []ruleset.Port{{Link: "veth1", Addrs: []netip.Addr{addr("10.244.1.5")}}},
	Taken: []ruleset.Range{{First: addr("10.244.0.0"), Last: addr("10.244.255.255")}}}

// afterAFailure is a backend of which a segment was put for IPv4, and failed for IPv6.
func afterAFailure(t *testing.T) *Backend {
	t.Helper()
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	mend := failing(t, "ip6tables-legacy-restore")
	if err := b.PutSegment(t.Context(), fencedPort); err == nil {
		t.Fatal("it did not fail")
	}
	mend()
	return b
}

// A segment that failed half way is put as a whole when it is put again.
func TestASegmentIsPutAfterAFailure(t *testing.T) {
	b := afterAFailure(t)
	if err := b.PutSegment(t.Context(), fencedPort); err != nil {
		t.Fatal(err)
	}
	k, err := b.readKernel(t.Context())
	if err != nil || len(k.tables[ruleset.IPv6][mainTable].chains[portsChain]) == 0 {
		t.Errorf("there is no fence for IPv6: %v", err)
	}
	if have, err := b.Observe(t.Context()); err != nil || have.Condition != ruleset.Intact {
		t.Errorf("%v, %v", have.Condition, err)
	}
}

// After a segment that failed, a delta goes from what the kernel holds.
func TestADeltaAfterAFailure(t *testing.T) {
	b := afterAFailure(t)
	member := ruleset.Members{Set: setID(ruleset.Addresses, ruleset.IPv6),
		Members: []ruleset.Member{{Addr: addr("fd00::77")}}}
	if err := b.Apply(t.Context(), ruleset.Delta{AddMembers: []ruleset.Members{member}}); err != nil {
		t.Fatal(err)
	}
	have, err := b.Observe(t.Context())
	if err != nil || have.Condition != ruleset.Intact ||
		!slices.Contains(have.Sets[member.Set], member.Members[0]) {
		t.Errorf("%v, %v", have.Condition, err)
	}
}

// What failed to be cut is not cut later, when something else changes: nobody knows of it.
func TestNothingIsCutAfterAFailure(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	flow := ruleset.Flow{From: addr("10.0.0.1"), To: addr("10.0.0.2"), Proto: ruleset.TCP, Port: 80}
	mend := failing(t, "ipset")
	change := ruleset.CutChange{Add: ruleset.Cuts{Flows: []ruleset.Flow{flow}}}
	if err := b.Cut(t.Context(), change); err == nil {
		t.Fatal("it did not fail")
	}
	mend()
	if err := b.PutSegment(t.Context(), fencedPort); err != nil {
		t.Fatal(err)
	}
	if cuts, err := b.Cuts(t.Context()); err != nil || cuts.Len() > 0 {
		t.Errorf("cut: %v, %v", cuts, err)
	}
	if err := b.Cut(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	if cuts, err := b.Cuts(t.Context()); err != nil || !cmp.Equal(cuts, change.Add, equal) {
		t.Errorf("cut: %v, %v", cuts, err)
	}
}

// A cut that fails between a look and the delta takes no repair from the delta.
func TestADeltaRepairsAfterACutThatFailed(t *testing.T) {
	newNetns(t)
	b, p := Open(Options{}), sample(ruleset.Drop)
	converge(t, b, p)
	run(t, "", "ip6tables-legacy", "-t", mainTable, "-D", "FORWARD", "-j", forwardChain)
	have, err := b.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	mend := failing(t, "ip6tables-legacy-restore")
	flow := ruleset.Flow{From: addr("10.0.0.1"), To: addr("10.0.0.2"), Proto: ruleset.TCP, Port: 80}
	if err := b.Cut(t.Context(), ruleset.CutChange{Add: ruleset.Cuts{
		Flows: []ruleset.Flow{flow}}}); err == nil {
		t.Fatal("it did not fail")
	}
	mend()
	if err := b.Apply(t.Context(), ruleset.Diff(have, p)); err != nil {
		t.Fatal(err)
	}
	if d := left(t, b, p); !d.Empty() {
		t.Errorf("left to do:\n%s", d.String())
	}
}
