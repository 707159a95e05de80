package cli

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

// stateDir is where the sandbox that runs in the background is found, one per user.
//
//	pid         locked while it lives; holds the process to signal
//	socket      where exec asks for commands
//	NODE.log    what the agent of a node says
//	manifests   the completed objects, where the given ones have gaps
type stateDir string

func theStateDir() stateDir {
	return stateDir(filepath.Join(cmp.Or(os.Getenv("XDG_RUNTIME_DIR"), "/run"), "picket-sandbox"))
}

func (s stateDir) path(name string) string { return filepath.Join(string(s), name) }

// log is the file for what a node's agent says.
func (s stateDir) log(node string) (*os.File, error) {
	return os.OpenFile(s.path(filepath.Base(node)+".log"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
}

var errDown = errors.New("no sandbox is up; start one: picket sandbox up -f DIR|FILE")

// claim locks the folder for a new sandbox and empties it of what a dead one left. The lock lives as long as
// any copy of the file is open.
func (s stateDir) claim() (*os.File, error) {
	if err := os.MkdirAll(string(s), 0o700); err != nil {
		return nil, fmt.Errorf("%w; the variable XDG_RUNTIME_DIR can name another place", err)
	}
	if err := os.Chmod(string(s), 0o700); err != nil {
		return nil, err
	}
	lock, free, err := s.lock(os.O_CREATE)
	switch {
	case err != nil:
		return nil, err
	case !free:
		defer lock.Close()
		return nil, fmt.Errorf("a sandbox is up already (process %d); end it: picket sandbox down", s.pid())
	}
	return lock, errors.Join(lock.Truncate(0), s.sweep())
}

// lock opens the file and reports whether nobody else has it locked.
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

// sweep removes everything but the lock.
func (s stateDir) sweep() error {
	entries, err := os.ReadDir(string(s))
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != "pid" {
			err = errors.Join(err, os.RemoveAll(s.path(e.Name())))
		}
	}
	return err
}

// pid is the process that the lock names; 0 while it has not got so far.
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
	case free:
		return errors.Join(errDown, os.RemoveAll(string(s)))
	case pid == 0:
		return errors.New("the sandbox is just being started; end that, or try again")
	}
	if err := end(pid, lock); err != nil {
		return fmt.Errorf("end the sandbox (process %d): %w", pid, err)
	}
	return os.RemoveAll(string(s))
}

// end signals a process until it has let go of its lock.
func end(pid int, lock *os.File) error {
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if err := unix.Kill(pid, signal); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		if released(lock) {
			return nil
		}
	}
	return errors.New("it does not end")
}

// released waits until nobody holds the lock.
func released(lock *os.File) bool {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
			return true
		}
	}
	return false
}
