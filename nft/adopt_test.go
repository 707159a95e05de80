package nft

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// A new process finds all as it should be and sends nothing: the objects are the same, with their
// counts.
func TestRestartAdopts(t *testing.T) {
	newNetns(t)
	want := sample(ruleset.Drop)
	first := open(t, Options{NoOwner: true})
	converge(t, first, want)
	counted := tampering{ // a denial that has counted: the kernel takes a start value
		script: "replace rule " + podRules +
			" handle HANDLE counter packets 7 bytes 420 drop comment \"" +
			lastComment(want.Chains[0]) + `"`,
		chain: podChain, rule: "isolated by",
	}
	nftProgram(t, counted.resolve(t), "-f", "-")
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, Options{NoOwner: true})
	before, number := handles(t), generation(t, second)
	d := converge(t, second, want)
	if !d.Empty() || generation(t, second) != number {
		t.Errorf("%d transactions for\n%s", generation(t, second)-number, d.String())
	}
	if diff := cmp.Diff(before, handles(t)); diff != "" ||
		!strings.Contains(before, "counter packets 7 bytes 420") {
		t.Errorf("first (-), second (+):\n%s\n%s", diff, before)
	}
}

func lastComment(c ruleset.Chain) string {
	rules := encoding("").rulesOf(c)
	return rules[len(rules)-1].comment
}

// What stays keeps its counts while the rest changes.
func TestChangeLeavesTheRestAlone(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	converge(t, b, sample(ruleset.Drop))
	before := nftProgram(t, "", "-a", "list", "chain", "inet", tableName, podChain)
	changed := sample(ruleset.Drop)
	changed.Chains[1].Steps = changed.Chains[1].Steps[1:]
	changed.Sets[0].Members = nil
	converge(t, b, changed)
	if diff := cmp.Diff(before, nftProgram(t, "", "-a", "list", "chain", "inet", tableName,
		podChain)); diff != "" {
		t.Errorf("a chain that did not change was made anew:\n%s", diff)
	}
}

// Whoever changes any ruleset between Observe and Apply makes Apply fail: what was observed may
// be wrong.
func TestForeignChangeBetweenObserveAndApply(t *testing.T) {
	for _, change := range []string{"add table ip mine", "delete rule " + podRules +
		" handle HANDLE"} {
		newNetns(t)
		b := open(t, Options{NoOwner: true})
		converge(t, b, sample(ruleset.Drop))
		have, err := b.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		nftProgram(t, tampering{script: change, chain: podChain, rule: "tcp dport 80"}.resolve(t),
			"-f", "-")
		before := handles(t)
		want := sample(ruleset.Reject)
		if err := b.Apply(t.Context(), ruleset.Diff(have, want)); !errors.Is(err, unix.ERESTART) {
			t.Errorf("%s: Apply = %v", change, err)
		}
		if diff := cmp.Diff(before, handles(t)); diff != "" {
			t.Errorf("%s: changed all the same:\n%s", change, diff)
		}
		converge(t, b, want)
	}
}

// A second Apply in a row is not checked, even where the first had nothing to do: others may
// change their tables all the time.
func TestForeignChangeBetweenTwoApplies(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	first, second := sample(ruleset.Drop), sample(ruleset.Reject)
	converge(t, b, first)
	have, _ := b.Observe(t.Context())
	memory := &ruleset.Memory{}
	for _, want := range []*ruleset.Program{first, second, first} {
		if err := b.Apply(t.Context(), ruleset.Diff(have, want)); err != nil {
			t.Fatal(err)
		}
		nftProgram(t, "add table ip mine; delete table ip mine", "-f", "-")
		if err := memory.Apply(t.Context(), ruleset.Diff(ruleset.Observed{}, want)); err != nil {
			t.Fatal(err)
		}
		have, _ = memory.Observe(t.Context())
	}
	wantHeld(t, b, first)
}

// Whatever the kernel refuses, it refuses as a whole; afterwards the backend works on. Where
// deletions have a transaction of their own (before 6.2), only that one is undone when it is
// refused.
func TestRefusedDeltaChangesNothing(t *testing.T) {
	for _, atOnce := range []bool{true, false} {
		newNetns(t)
		features := probed(t)
		if atOnce && !features.DeleteAtOnce {
			continue // what is not there can't be pretended
		}
		features.DeleteAtOnce = atOnce
		for _, d := range refused() {
			wantRefused(t, d, features)
		}
	}
}

// refused are deltas that the kernel refuses. Each adds something before.
func refused() []ruleset.Delta {
	nowhere := ruleset.SetID{Kind: ruleset.Addresses, Family: ruleset.IPv4, Key: "nowhere"}
	return []ruleset.Delta{
		// in use
		{AddLinks: []string{"eth1"}, DelSets: []ruleset.SetID{setID(ruleset.Addresses,
			ruleset.IPv4)}},
		// absent
		{AddLinks: []string{"eth1"}, DelSets: []ruleset.SetID{nowhere}},
		// in use
		{AddLinks: []string{"eth1"}, DelChains: []ruleset.ChainID{podChain}},
		// absent
		{AddLinks: []string{"eth1"}, DelLinks: []string{"eth9"}},
		// absent
		{AddLinks: []string{"eth1"}, AddDispatch: []ruleset.Dispatch{{Addr: addr("10.0.0.1"),
			Chain: "ingress/no/where"}}},
		{AddLinks: []string{"eth1"}, PutChains: []ruleset.PutChain{{New: true, Chain: ruleset.Chain{
			ID: "ingress/a/b", Steps: ruleset.Steps{ruleset.Rule{Peer: ruleset.InSet(nowhere)}}}}}}, // absent
	}
}

// wantRefused demands that nothing of a delta is carried out or, with two transactions, all but its
// deletions.
func wantRefused(t *testing.T, d ruleset.Delta, features Features) {
	t.Helper()
	newNetns(t)
	b := open(t, Options{NoOwner: true, Features: &features})
	held := sample(ruleset.Drop)
	converge(t, b, held)
	before := handles(t)
	if err := b.Apply(t.Context(), d); err == nil {
		t.Errorf("carried out:\n%s", d.String())
	}
	half := !features.DeleteAtOnce && len(d.DelSets)+len(d.DelChains) > 0
	if diff := cmp.Diff(before, handles(t)); diff != "" && !half {
		t.Errorf("changed:\n%s", diff)
	}
	if half {
		held.Links = append(held.Links, d.AddLinks...)
	}
	wantHeld(t, b, held)
	converge(t, b, sample(ruleset.Reject))
}

// Kernels before 6.2 get the deletions in a transaction of their own, after that in which
// elements go.
func TestTwoSteps(t *testing.T) {
	for _, noOwner := range []bool{false, true} {
		newNetns(t)
		features := probed(t)
		features.DeleteAtOnce = false
		b := open(t, Options{NoOwner: noOwner, Features: &features})
		for _, want := range []*ruleset.Program{sample(ruleset.Drop), programs().Example(3), {},
			programs().Example(10), sample(ruleset.Reject)} {
			converge(t, b, want)
		}
		have, err := b.Observe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		before := generation(t, b)
		if err := b.Apply(t.Context(), ruleset.Diff(have, &ruleset.Program{})); err != nil ||
			generation(t, b) != before+3 {
			t.Errorf("%d transactions, %v", generation(t, b)-before, err)
		}
		wantHeld(t, b, &ruleset.Program{})
	}
}

// applyOvertaken observes and applies, with a commit of somebody else's in between.
func applyOvertaken(t *testing.T, b *Backend, want *ruleset.Program) error {
	t.Helper()
	have, err := b.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nftProgram(t, "add table ip mine; delete table ip mine", "-f", "-")
	return b.Apply(t.Context(), ruleset.Diff(have, want))
}

// Somebody who commits all the time keeps no rules out of the kernel: a table that nobody else
// can change is not asked for its generation, and of another one only a few times.
func TestOthersWhoCommitAllTheTime(t *testing.T) {
	owned := openOwned(t, sample(ruleset.Drop))
	if err := applyOvertaken(t, owned, sample(ruleset.Reject)); err != nil || !owned.Owned() {
		t.Errorf("owned %t: %v", owned.Owned(), err)
	}
	newNetns(t)
	free := open(t, Options{NoOwner: true})
	converge(t, free, sample(ruleset.Drop))
	for range mostOvertaken {
		if err := applyOvertaken(t, free, sample(ruleset.Reject)); !errors.Is(err, unix.ERESTART) {
			t.Fatalf("Apply = %v", err)
		}
	}
	if err := applyOvertaken(t, free, sample(ruleset.Reject)); err != nil {
		t.Errorf("the last time: %v", err)
	}
	wantHeld(t, free, sample(ruleset.Reject))
}

// An agent before this one kept the digest of a chain in its last rule. Its chains get new rules in
// one transaction, in which nothing else changes: no pod is without its rules meanwhile.
func TestUpgradeReplacesRulesOnly(t *testing.T) {
	newNetns(t)
	want := sample(ruleset.Drop)
	b := open(t, Options{NoOwner: true})
	converge(t, b, want)
	current := listed(t)
	digests := regexp.MustCompile(
		` comment "chain of (\d+ rules, digest \w+ content \w+)"(\n\s+counter packets 0 bytes 0 drop comment) ".*"`)
	former := digests.ReplaceAllString(current, `$2 "denied: end of $1"`)
	former = strings.ReplaceAll(former, `return comment "chain of `,
		`return comment "peers: end of `)
	if former == current {
		t.Fatalf("no digest in\n%s", current)
	}
	nftProgram(t, "flush ruleset\n"+former, "-f", "-")
	have, err := b.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := ruleset.Diff(have, want)
	others := d
	others.PutChains = nil
	if len(d.PutChains) != 4 || !others.Empty() || len(Steps(d)) != 1 {
		t.Errorf("%d chains in %d steps, and\n%s", len(d.PutChains), len(Steps(d)), others.String())
	}
	if err := b.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(blocks(current), blocks(listed(t))); diff != "" {
		t.Errorf("made by this agent (-), after the upgrade (+):\n%s", diff)
	}
}
