package iptables

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netns"

	"github.com/picket-project/picket/ruleset"
)

// newNetns makes a network namespace for one test and moves the test's thread into it. A test that
// cannot have one, or whose kernel lacks legacy iptables or ipset, is skipped; REQUIRE_KERNEL=1
// makes that a failure.
func newNetns(t testing.TB) {
	t.Helper()
	skip := t.Skipf
	if os.Getenv("REQUIRE_KERNEL") != "" {
		skip = t.Fatalf
	}
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := netns.New()
	if err != nil {
		runtime.UnlockOSThread()
		skip("SKIPPED, THE KERNEL IS NOT TESTED: no network namespace: %v", err)
	}
	t.Cleanup(func() {
		_ = fresh.Close()
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		_ = home.Close()
	})
	if _, err := Open(Options{}).readKernel(t.Context()); err != nil {
		skip("SKIPPED, THE KERNEL IS NOT TESTED: %v", err)
	}
}

// run runs a program in the thread's namespace and returns what it prints.
func run(t testing.TB, stdin string, words ...string) string {
	t.Helper()
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%s", strings.Join(words, " "), err, out, stdin)
	}
	return string(out)
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
	if again := left(t, b, want); !again.Empty() {
		t.Fatalf("left to do after apply:\n%s", again.String())
	}
	return d
}

// left returns what is to be done for the kernel to hold a program.
func left(t testing.TB, b *Backend, want *ruleset.Program) ruleset.Delta {
	t.Helper()
	have, err := b.Observe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ruleset.Diff(have, want)
}
