package cli_test

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netns"
)

// The nft program takes every golden, and again where the table is there already.
func TestNftAcceptsEveryGolden(t *testing.T) {
	if _, err := exec.LookPath("nft"); err != nil {
		unavailable(t, err)
	}
	for name, g := range goldens(t) {
		t.Run(name, func(t *testing.T) {
			enterFreshNetns(t)
			script, _ := g.file("nft")
			nft(t, script, "-c", "-f", "-")
			nft(t, script, "-f", "-")
			nft(t, script, "-c", "-f", "-")
		})
	}
}

// nft runs the nft program in a network namespace of its own.
func nft(t *testing.T, script string, args ...string) {
	t.Helper()
	cmd := exec.Command("nft", args...)
	cmd.Stdin = strings.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft %s: %v\n%s\n%s", strings.Join(args, " "), err, out, script)
	}
}

// unavailable skips a test that the machine can't do; REQUIRE_KERNEL=1 makes that a failure.
func unavailable(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("REQUIRE_KERNEL") != "" {
		t.Fatalf("the kernel can't be tested: %v", err)
	}
	t.Skipf("SKIPPED, THE KERNEL IS NOT TESTED: %v", err)
}

// enterFreshNetns moves the test's thread into a network namespace of its own.
func enterFreshNetns(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	home, err := netns.Get()
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := netns.New()
	if err != nil {
		runtime.UnlockOSThread()
		unavailable(t, err)
	}
	t.Cleanup(func() {
		_ = fresh.Close()
		if netns.Set(home) == nil {
			runtime.UnlockOSThread()
		}
		_ = home.Close()
	})
}
