//go:build linux

package cli

import (
	"errors"
	"os"
)

// threadNamespace opens the network namespace of the calling thread, for sockets that other threads
// open later. The descriptor is 0 where it is that of the process, which they have as well: to enter
// it they would need CAP_SYS_ADMIN, and an agent has CAP_NET_ADMIN alone.
func threadNamespace() (file *os.File, fd int, err error) {
	const thread, process = "/proc/thread-self/ns/net", "/proc/self/ns/net"
	file, err = os.Open(thread)
	if err != nil {
		return nil, 0, err
	}
	own, err := file.Stat()
	all, wrong := os.Stat(process)
	if err := errors.Join(err, wrong); err != nil {
		return nil, 0, errors.Join(err, file.Close())
	}
	if os.SameFile(own, all) {
		return file, 0, nil
	}
	return file, int(file.Fd()), nil
}
