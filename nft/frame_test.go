package nft

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
)

// rebuild makes everything anew and checks that nobody can have seen it half done.
func rebuild(t *testing.T, b *Backend, want *ruleset.Program) {
	t.Helper()
	have, err := b.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	have.Intact = false
	before := generation(t, b)
	if err := b.Apply(t.Context(), ruleset.Diff(have, want)); err != nil {
		t.Fatal(err)
	}
	if steps := generation(t, b) - before; steps != 1 {
		t.Errorf("took %d transactions", steps)
	}
	wantHeld(t, b, want)
}

func TestFrameIsRebuiltAtOnce(t *testing.T) {
	newNetns(t)
	b := open(t, Options{NoOwner: true})
	rebuild(t, b, sample(ruleset.Drop)) // of nothing
	want := listed(t)
	rebuild(t, b, sample(ruleset.Reject))
	rebuild(t, b, sample(ruleset.Drop))
	if diff := cmp.Diff(want, listed(t)); diff != "" {
		t.Errorf("first (-), again (+):\n%s", diff)
	}
}

func TestOwnedFrameIsRebuiltAtOnce(t *testing.T) {
	b := openOwned(t, sample(ruleset.Drop))
	want := listed(t)
	for seed := range 5 {
		rebuild(t, b, programs().Example(seed))
	}
	rebuild(t, b, sample(ruleset.Drop))
	if diff := cmp.Diff(want, listed(t)); diff != "" || !b.Owned() {
		t.Errorf("owned: %t; first (-), again (+):\n%s", b.Owned(), diff)
	}
	nftFails(t, "flush table inet picket")
}

// An agent finds the table that another version of it left: the layout in its first comment is another.
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
			if err != nil || have.Intact {
				t.Fatalf("%+v, %v", have, err)
			}
			rebuild(t, b, want)
			if diff := cmp.Diff(before, listed(t)); test.then.NoOwner && diff != "" {
				t.Errorf("before (-), after (+):\n%s", diff)
			}
			if b.Owned() == test.then.NoOwner {
				t.Errorf("owned: %t", b.Owned())
			}
		})
	}
}
