package main

import (
	"os"
	"strings"
	"testing"
)

// Where the kernel lists SCTP among its protocols there must be no reason to leave it out. The
// other way round a kernel may have it in a module that is not loaded yet.
func TestWithoutSCTP(t *testing.T) {
	reason := withoutSCTP()
	protocols, err := os.ReadFile("/proc/net/protocols")
	if err == nil && strings.Contains(string(protocols), "\nSCTP") != (reason == "") {
		t.Errorf("reason %q, but the kernel's protocols are\n%s", reason, protocols)
	}
}
