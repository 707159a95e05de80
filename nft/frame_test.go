package nft

import (
	"errors"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/ruleset"
)

// rebuild makes the frame anew, as if it had been found like that, and checks that nobody can
// have seen it half done.
func rebuild(t *testing.T, b *Backend, found ruleset.Condition, want *ruleset.Program) {
	t.Helper()
	have, err := b.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	have.Condition = min(have.Condition, found)
	before := generation(t, b)
	if err := b.Apply(t.Context(), ruleset.Diff(have, want)); err != nil {
		t.Fatal(err)
	}
	if steps := generation(t, b) - before; steps != 1 {
		t.Errorf("took %d transactions", steps)
	}
	wantHeld(t, b, want)
}

// A damaged frame is made right in one transaction.
func TestFrameIsRebuiltAtOnce(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	rebuild(t, b, ruleset.Lost, sample(ruleset.Drop)) // of nothing
	want := listed(t)
	for _, found := range []ruleset.Condition{ruleset.Damaged, ruleset.Lost} {
		rebuild(t, b, found, sample(ruleset.Reject))
		rebuild(t, b, found, sample(ruleset.Drop))
	}
	if diff := cmp.Diff(want, listed(t)); diff != "" {
		t.Errorf("first (-), again (+):\n%s", diff)
	}
}

// So is that of a table which has an owner.
func TestOwnedFrameIsRebuiltAtOnce(t *testing.T) {
	b := openOwned(t, sample(ruleset.Drop))
	want := listed(t)
	for seed := range 10 {
		rebuild(t, b, ruleset.Condition(seed%2), programs().Example(seed))
	}
	rebuild(t, b, ruleset.Lost, sample(ruleset.Drop))
	if diff := cmp.Diff(want, listed(t)); diff != "" || !b.Owned() {
		t.Errorf("owned: %t; first (-), again (+):\n%s", b.Owned(), diff)
	}
	nftFails(t, "flush table inet picket")
}

// An agent finds the table that another version of it left: the layout in its first comment is
// another.
func TestOlderLayoutIsReplacedAtOnce(t *testing.T) {
	older := tampering{
		script: `replace rule inet picket related handle HANDLE icmp type redirect counter drop comment "a redirect is no error; layout older"`,
		chain:  "related", rule: "a redirect is no error",
	}
	want := sample(ruleset.Drop)
	tests := []struct {
		name  string
		first func(*testing.T) *Backend
		then  Options
	}{
		{"nobody's", func(t *testing.T) *Backend {
			newNetns(t)
			b := open(t, Options{NoOwner: true})
			converge(t, b, want)
			return b
		}, Options{NoOwner: true}},
		{"owned", func(t *testing.T) *Backend { return openOwned(t, want) }, Options{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_ = test.first(t).Close()
			before := listed(t)
			nftProgram(t, older.resolve(t), "-f", "-")
			b := open(t, test.then)
			have, err := b.Observe(t.Context())
			if err != nil || have.Condition != ruleset.Damaged {
				t.Fatalf("%+v, %v", have, err)
			}
			kept := objects(t)
			rebuild(t, b, ruleset.Damaged, want)
			if diff := cmp.Diff(kept, objects(t)); diff != "" || len(kept) < 15 {
				t.Errorf("chains, maps and sets before (-), after (+):\n%s", diff)
			}
			if diff := cmp.Diff(before, listed(t)); test.then.NoOwner && diff != "" {
				t.Errorf("before (-), after (+):\n%s", diff)
			}
			if b.Owned() == test.then.NoOwner {
				t.Errorf("owned: %t", b.Owned())
			}
		})
	}
}

// objects are the chains, maps and sets of the table with the numbers that the kernel gave them.
func objects(t *testing.T) []string {
	t.Helper()
	return regexp.MustCompile(`(?:chain|map|set) \S+ \{ # handle \d+`).FindAllString(handles(t), -1)
}

// What the kernel refuses to mend is made from nothing the next time.
func TestFrameThatCannotBeMendedIsMadeAnew(t *testing.T) {
	b := openOwned(t, sample(ruleset.Drop))
	if err := b.Apply(t.Context(), ruleset.Delta{Frame: true,
		DelLinks: []string{"absent"}}); !errors.Is(err, unix.ENOENT) {
		t.Fatal(err)
	}
	for _, want := range []ruleset.Condition{ruleset.Lost, ruleset.Intact} {
		have, err := b.Observe(t.Context())
		if err != nil || have.Condition != want {
			t.Fatalf("condition %d, want %d, %v", have.Condition, want, err)
		}
		if err := b.Apply(t.Context(), ruleset.Diff(have, sample(ruleset.Drop))); err != nil {
			t.Fatal(err)
		}
	}
	wantHeld(t, b, sample(ruleset.Drop))
}
