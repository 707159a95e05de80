package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// withoutSCTP says why SCTP cannot be tested on this machine, in one sentence; it is empty where it
// can. Asking for a socket is what loads the kernel's module, if there is one.
func withoutSCTP() string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err == nil {
		_ = unix.Close(fd)
		return ""
	}
	if errors.Is(err, unix.EPROTONOSUPPORT) {
		return "the kernel has no SCTP sockets"
	}
	return fmt.Sprintf("no SCTP socket: %v", err)
}
