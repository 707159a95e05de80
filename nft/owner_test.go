package nft

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/picket-project/picket/ruleset"
)

// openOwned opens a backend that has taken the table and holds a program. A kernel that can't is
// skipped; REQUIRE_KERNEL=1 makes that a failure.
func openOwned(t *testing.T, want *ruleset.Program) *Backend {
	t.Helper()
	newNetns(t)
	b := open(t, Options{})
	converge(t, b, want)
	if !b.Owned() {
		if os.Getenv("REQUIRE_KERNEL") != "" && kernelHas(t, "6.9") {
			t.Fatal("the table could not be owned")
		}
		t.Skip(
			"SKIPPED, OWNERSHIP IS NOT TESTED: this kernel knows no table with owner and persist")
	}
	return b
}

// nftFails runs the nft program, which must be refused, and returns what it says.
func nftFails(t *testing.T, script string) string {
	t.Helper()
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Errorf("done, though the table is owned: %s", script)
	}
	return string(out)
}

// Nobody but the owner changes anything of the table.
func TestOwnedTableIsOutOfReach(t *testing.T) {
	want := sample(ruleset.Drop)
	b := openOwned(t, want)
	before := listed(t)
	for _, script := range []string{
		"add rule inet picket forward accept",
		"insert rule inet picket egress/default/web-0 accept",
		"flush chain inet picket forward",
		"flush table inet picket",
		"delete table inet picket",
		"add element inet picket pods4-nobody { 10.0.0.1 }",
		"delete element inet picket egress4 { 10.244.1.5 }",
		"flush map inet picket egress4",
		"add chain inet picket mine",
		"add set inet picket mine { type ipv4_addr; }",
		"table inet picket { flags dormant; }",
	} {
		if said := nftFails(t, script); !strings.Contains(said, "Operation not permitted") {
			t.Errorf("%s: %s", script, said)
		}
	}
	nftProgram(t, "flush ruleset", "-f", "-") // is done, but for this table
	if diff := cmp.Diff(before, listed(t)); diff != "" {
		t.Errorf("changed by others:\n%s", diff)
	}
	wantHeld(t, b, want)
}

// The rules stay when their owner ends, and the next one takes them over as they are.
func TestOwnedTableOutlivesItsOwner(t *testing.T) {
	want := sample(ruleset.Drop)
	b := openOwned(t, want)
	before := handles(t)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	second := open(t, Options{})
	wantHeld(t, second, want)
	if !second.Owned() {
		t.Error("not taken over")
	}
	if diff := cmp.Diff(before, handles(t)); diff != "" {
		t.Errorf("made anew by the second owner:\n%s", diff)
	}
	nftFails(t, "flush table inet picket")
	converge(t, second, &ruleset.Program{})
}

// A second agent is refused while the first one runs.
func TestTwoOwners(t *testing.T) {
	want := sample(ruleset.Drop)
	first := openOwned(t, want)
	before := handles(t)
	for _, o := range []Options{{}, {NoOwner: true}} {
		second := open(t, o)
		if have, err := second.Observe(t.Context()); !errors.Is(err, ErrHeld) ||
			have.Condition != ruleset.Lost {
			t.Errorf("%+v: Observe = %v, %v", o, have, err)
		}
		if removed, err := second.Cleanup(); !errors.Is(err, ErrHeld) || removed {
			t.Errorf("%+v: Cleanup = %t, %v", o, removed, err)
		}
	}
	wantHeld(t, first, want)
	if diff := cmp.Diff(before, handles(t)); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
}

// The second waits for the first to go, and then works as if nothing had been.
func TestOwnerAfterOwner(t *testing.T) {
	first := openOwned(t, sample(ruleset.Drop))
	second, third := open(t, Options{}), open(t, Options{})
	for _, b := range []*Backend{second, third} {
		if _, err := b.Observe(t.Context()); !errors.Is(err, ErrHeld) {
			t.Fatal(err)
		}
	}
	_ = first.Close()
	wantHeld(t, second, sample(ruleset.Drop))
	converge(t, second, sample(ruleset.Reject))
	_ = second.Close()
	if removed, err := third.Cleanup(); !removed || err != nil {
		t.Errorf("Cleanup = %t, %v", removed, err)
	}
	if left := nftProgram(t, "", "list", "ruleset"); left != "" {
		t.Errorf("left:\n%s", left)
	}
}

// Where the kernel gives no owner, one agent holds the lock until it ends, whatever goes wrong
// meanwhile.
func TestTwoAgentsWithoutOwner(t *testing.T) {
	newNetns(t)
	first, second := open(t, Options{NoOwner: true}), open(t, Options{NoOwner: true})
	converge(t, first, sample(ruleset.Drop))
	if err := first.Apply(t.Context(), ruleset.Delta{DelLinks: []string{"absent"}}); err == nil {
		t.Fatal("a link that is not there was deleted")
	}
	for name, b := range map[string]*Backend{"without": second, "with ownership": open(t,
		Options{})} {
		if have, err := b.Observe(t.Context()); !errors.Is(err, ErrHeld) ||
			have.Condition != ruleset.Lost {
			t.Errorf("%s: Observe = %v, %v", name, have, err)
		}
		if removed, err := b.Cleanup(); !errors.Is(err, ErrHeld) || removed {
			t.Errorf("%s: Cleanup = %t, %v", name, removed, err)
		}
	}
	wantHeld(t, first, sample(ruleset.Drop))
	_ = first.Close()
	converge(t, second, sample(ruleset.Reject))
}

// A table that an owner left behind is everybody's: an agent that is told not to own it may
// change all of it, rebuild it and remove it.
func TestOrphanWithoutOwner(t *testing.T) {
	first := openOwned(t, sample(ruleset.Drop))
	_ = first.Close()
	b := open(t, Options{NoOwner: true})
	wantHeld(t, b, sample(ruleset.Drop))
	converge(t, b, sample(ruleset.Reject))
	nftProgram(t, "add chain inet picket mine", "-f", "-")
	if d := converge(t, b, sample(ruleset.Drop)); !d.Frame {
		t.Errorf("not made anew:\n%s", d.String())
	}
	if removed, err := b.Cleanup(); !removed || err != nil {
		t.Errorf("Cleanup = %t, %v", removed, err)
	}
}

// Cleanup removes a table whose owner is gone.
func TestOrphanIsRemoved(t *testing.T) {
	for _, o := range []Options{{}, {NoOwner: true}} {
		_ = openOwned(t, sample(ruleset.Drop)).Close()
		if removed, err := open(t, o).Cleanup(); !removed || err != nil {
			t.Errorf("%+v: Cleanup = %t, %v", o, removed, err)
		}
	}
}

// A table that was made without an owner can't be claimed; it is used as it is.
func TestTableMadeWithoutOwner(t *testing.T) {
	newNetns(t)
	want := sample(ruleset.Drop)
	first := open(t, Options{NoOwner: true})
	converge(t, first, want)
	_ = first.Close()
	b := open(t, Options{})
	wantHeld(t, b, want)
	if b.Owned() {
		t.Error("owned, but the kernel can't give an owner to a table that is there")
	}
	nftProgram(t, "flush ruleset", "-f", "-")
	converge(t, b, want)
}

// Cleanup removes what is ours, and says whether there was anything.
func TestCleanup(t *testing.T) {
	for _, o := range []Options{{}, {NoOwner: true}} {
		newNetns(t)
		b := open(t, o)
		for range 2 { // what was removed can be made and removed again
			if removed, err := b.Cleanup(); removed || err != nil {
				t.Fatalf("%+v: without a table: Cleanup = %t, %v", o, removed, err)
			}
			converge(t, b, sample(ruleset.Drop))
			if removed, err := b.Cleanup(); !removed || err != nil {
				t.Fatalf("%+v: Cleanup = %t, %v", o, removed, err)
			}
			if left := nftProgram(t, "", "list", "ruleset"); left != "" {
				t.Fatalf("%+v: left:\n%s", o, left)
			}
		}
	}
}

// handles lists the table with the numbers that the kernel gave to its objects: an object that
// was made anew has another. Who owns the table is left out.
func handles(t testing.TB) string {
	t.Helper()
	_, inside, _ := strings.Cut(nftProgram(t, "", "-a", "list", "table", "inet", tableName),
		"\tset ")
	return inside
}

// Who only looks sees an owned table, and changes nothing.
func TestLook(t *testing.T) {
	openOwned(t, sample(ruleset.Drop))
	b := open(t, Options{Look: true})
	wantHeld(t, b, sample(ruleset.Drop))
	if err := b.Apply(t.Context(), ruleset.Delta{AddLinks: []string{"eth9"}}); !errors.Is(err,
		errLook) {
		t.Error(err)
	}
	wantHeld(t, b, sample(ruleset.Drop))
}
