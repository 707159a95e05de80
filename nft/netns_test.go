package nft

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/picket-project/picket/ruleset"
)

// newNetns makes a network namespace for one test and moves the test's thread into it. A test
// that cannot have one is skipped; REQUIRE_KERNEL=1 makes that a failure.
func newNetns(t testing.TB) {
	t.Helper()
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := netns.New()
	if err != nil {
		runtime.UnlockOSThread()
		if os.Getenv("REQUIRE_KERNEL") != "" {
			t.Fatalf("no network namespace: %v", err)
		}
		t.Skipf("SKIPPED, THE KERNEL IS NOT TESTED: no network namespace: %v", err)
	}
	t.Cleanup(func() {
		_ = fresh.Close()
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		_ = home.Close()
	})
}

// nftProgram runs the nft program in the thread's namespace and returns what it prints.
func nftProgram(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	cmd := exec.Command("nft", args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("nft %s: %v\n%s\n%s", strings.Join(args, " "), err, out, numbered(stdin))
	}
	return string(out)
}

// numbered puts the number of each line before it, as nft counts them in its errors.
func numbered(text string) string {
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		b.WriteString(string(rune('0'+(i+1)/100%10)) + string(rune('0'+(i+1)/10%10)) +
			string(rune('0'+(i+1)%10)) + " " + line + "\n")
	}
	return b.String()
}

// open opens a backend until the test ends.
func open(t testing.TB, o Options) *Backend {
	t.Helper()
	b := Open(o)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// converge observes, applies the difference and observes again: nothing may be left to do.
func converge(t testing.TB, b *Backend, want *ruleset.Program) ruleset.Delta {
	t.Helper()
	have, err := b.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	d := ruleset.Diff(have, want)
	if err := b.Apply(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	have, err = b.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if again := ruleset.Diff(have, want); !again.Empty() {
		t.Fatalf("left to do after apply:\n%s", again.String())
	}
	return d
}
