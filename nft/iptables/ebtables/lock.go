package ebtables

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockFile is what the program locks with --concurrent; it is made by whoever comes first.
const lockFile = "/var/lib/ebtables/lock"

// lockPatience is how long others may keep the lock: one who is stopped must not stop rules here.
const lockPatience = 5 * time.Second

// lock takes the lock that all users of ebtables with --concurrent share. Where there is no folder
// for it nobody has such a lock, or it cannot be seen from here: rules matter more.
func lock() (unlock func()) {
	file, err := os.OpenFile(lockFile, os.O_CREATE|os.O_RDONLY, 0o600)
	if err != nil {
		return func() {}
	}
	deadline := time.Now().Add(lockPatience)
	for time.Now().Before(deadline) && unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
		time.Sleep(time.Millisecond)
	}
	return func() { file.Close() }
}
