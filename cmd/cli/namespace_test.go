//go:build linux

package cli

import (
	"os"
	"os/exec"
	"testing"
)

// An agent has no right to enter a network namespace, not even its own: only that of a thread is
// entered which other threads do not have. Other tests leave threads in namespaces, so this one has a
// process of its own.
func TestThreadNamespace(t *testing.T) {
	const alone = "PICKET_TEST_ALONE"
	if os.Getenv(alone) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestThreadNamespace$", "-test.v")
		cmd.Env = append(os.Environ(), alone+"=1")
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return
	}
	if entered(t) != 0 {
		t.Error("the namespace of all threads is to be entered")
	}
	must(t, newNetns(t).Do(func() error {
		if entered(t) == 0 {
			t.Error("the namespace of this thread alone is not to be entered")
		}
		return nil
	}))
}

// entered is the descriptor of the namespace that others are to enter; 0: they need not.
func entered(t *testing.T) int {
	t.Helper()
	file, fd, err := threadNamespace()
	must(t, err)
	must(t, file.Close())
	return fd
}
