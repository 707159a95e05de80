//go:build linux

package cli

import (
	"errors"
	"os"
	"path/filepath"
)

// threadNamespace opens the network namespace of the calling thread, for sockets that other threads
// open later. The descriptor is 0 where all threads of the process have it: to enter it they would
// need CAP_SYS_ADMIN, and an agent has CAP_NET_ADMIN alone.
func threadNamespace() (file *os.File, fd int, err error) {
	file, err = os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, 0, err
	}
	shared, err := sharedByThreads(file)
	if err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	if shared {
		return file, 0, nil
	}
	return file, int(file.Fd()), nil
}

// sharedByThreads reports whether all threads of the process are in a network namespace. The first
// one alone, which /proc/self shows, can be the calling thread itself.
func sharedByThreads(namespace *os.File) (bool, error) {
	own, err := namespace.Stat()
	if err != nil {
		return false, err
	}
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		return false, err
	}
	for _, path := range threads {
		other, err := os.Stat(path)
		// A thread that has ended meanwhile opens nothing.
		if err == nil && !os.SameFile(own, other) {
			return false, nil
		}
	}
	return true, nil
}
