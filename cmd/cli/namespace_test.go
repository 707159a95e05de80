//go:build linux

package cli

import "testing"

// An agent has no right to enter a network namespace, not even its own: only that of a thread that
// has another one is entered.
func TestThreadNamespace(t *testing.T) {
	file, fd, err := threadNamespace()
	must(t, err)
	must(t, file.Close())
	if fd != 0 {
		t.Errorf("%d is to be entered; expected the namespace of the process", fd)
	}
	must(t, newNetns(t).Do(func() error {
		file, fd, err := threadNamespace()
		if err == nil && fd == 0 {
			t.Error("the namespace of the process; expected that of the thread")
		}
		if err != nil {
			return err
		}
		return file.Close()
	}))
}
