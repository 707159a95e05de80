package nft

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A process with very many open files gets an error, not a panic.
func TestDescriptorBeyondSelect(t *testing.T) {
	newNetns(t)
	for fd := uintptr(0); fd < unix.FD_SETSIZE; {
		f, err := os.Open("/dev/null")
		if err != nil {
			t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
		}
		defer f.Close()
		fd = f.Fd()
	}
	b := Open(Options{})
	if _, err := b.Observe(t.Context()); !errors.Is(err, unix.EMFILE) {
		t.Error(err)
	}
}
