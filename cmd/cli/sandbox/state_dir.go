package sandbox

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// stateDir is the folder where the sandbox in the background is found, one for each user.
//
//	pid         locked while the sandbox lives; holds the process to signal
//	socket      where exec asks for commands
//	NODE.log    the log of a node's agent
//	manifests   the completed objects, if the given ones leave something open
type stateDir string

// userStateDir is the folder picket-sandbox in $XDG_RUNTIME_DIR, or in /run if that is not set.
func userStateDir() stateDir {
	parent := cmp.Or(os.Getenv("XDG_RUNTIME_DIR"), "/run")
	return stateDir(filepath.Join(parent, "picket-sandbox"))
}

// path is the path of a file in the folder.
func (s stateDir) path(name string) string { return filepath.Join(string(s), name) }

// openLog opens the file for the log of a node's agent.
func (s stateDir) openLog(node string) (*os.File, error) {
	// The name of a node comes from a manifest: Base keeps it inside of the folder.
	path := s.path(filepath.Base(node) + ".log")
	return os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
}

// errDown is the answer of the verbs that need a sandbox when none is up.
var errDown = errors.New("no sandbox is up; start one: picket sandbox up -f DIR|FILE")

// claim locks the folder for a new sandbox and removes what a dead one left in it. The lock lives
// as long as any copy of the file is open.
func (s stateDir) claim() (*os.File, error) {
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return nil, fmt.Errorf("%w; the variable XDG_RUNTIME_DIR can name another place", err)
	}
	// MkdirAll does not change the mode of a folder that exists.
	if err := os.Chmod(string(s), 0o700); err != nil {
		return nil, err
	}
	lock, free, err := s.lock(os.O_CREATE)
	switch {
	case err != nil:
		return nil, err
	case !free:
		defer lock.Close()
		return nil, fmt.Errorf(
			"a sandbox is up already (process %d); end it: picket sandbox down", s.pid())
	}
	// The number of a dead process must not be taken for the daemon's.
	return lock, errors.Join(lock.Truncate(0), s.clear())
}

// lock opens the lock and reports whether it was free; if it was, it is locked now. A lock of
// flock(2) belongs to the open file, so a process that inherits the file holds it, too.
func (s stateDir) lock(create int) (lock *os.File, free bool, err error) {
	lock, err = os.OpenFile(s.path("pid"), os.O_RDWR|create, 0o600)
	if err != nil {
		return nil, false, err
	}
	switch err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); {
	case err == nil:
		return lock, true, nil
	case errors.Is(err, unix.EWOULDBLOCK):
		return lock, false, nil
	default:
		return nil, false, errors.Join(os.NewSyscallError("flock", err), lock.Close())
	}
}

// clear removes everything but the lock.
func (s stateDir) clear() error {
	entries, err := os.ReadDir(string(s))
	if err != nil {
		return err
	}
	for _, e := range entries {
		// If the locked file were removed, the next sandbox would lock another one.
		if e.Name() != "pid" {
			err = errors.Join(err, os.RemoveAll(s.path(e.Name())))
		}
	}
	return err
}

// pid is the process that the lock names; 0 until the daemon has started.
func (s stateDir) pid() int {
	text, _ := os.ReadFile(s.path("pid"))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}

// down ends the sandbox and returns when all of it is gone.
func (s stateDir) down() error {
	lock, free, err := s.lock(0)
	if errors.Is(err, fs.ErrNotExist) {
		return errDown
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	pid := s.pid()
	switch {
	// Nobody holds the lock, so the sandbox has died and only its files are left.
	case free:
		return errors.Join(errDown, os.RemoveAll(string(s)))
	// Somebody holds the lock and has not written the number of the daemon yet.
	case pid == 0:
		return errors.New("the sandbox is just being started; end that, or try again")
	}
	if err := endProcess(pid, lock); err != nil {
		return fmt.Errorf("end the sandbox (process %d): %w", pid, err)
	}
	return os.RemoveAll(string(s))
}

// endProcess signals a process until it has let go of its lock: SIGTERM first, then SIGKILL.
func endProcess(pid int, lock *os.File) error {
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		// The process may be gone already; what counts is whether the lock is free.
		if err := unix.Kill(pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		if awaitReleased(lock, 5*time.Second) {
			return nil
		}
	}
	return errors.New("it does not end")
}

// awaitReleased waits until nobody holds the lock. flock(2) has no timeout, so it is tried again
// and again.
func awaitReleased(lock *os.File, timeout time.Duration) bool {
	deadline := time.Now().Add(timeout)
	for ; time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			return true
		}
	}
	return false
}
