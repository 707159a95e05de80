package sandbox

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// errNotReturned is what Do reports when its function ended the goroutine instead of
// returning (runtime.Goexit, which is how a test's FailNow works).
var errNotReturned = errors.New("the function did not return")

// Netns is a network namespace without a name, held open by a file descriptor.
// The kernel destroys it when the last descriptor and the last process in it
// are gone. The zero value holds nothing: Do and Close fail on it.
type Netns struct{ file *os.File }

// NewNetns makes an empty network namespace, with lo up.
func NewNetns() (Netns, error) {
	var ns Netns
	unshare := func() error {
		return os.NewSyscallError("unshare", unix.Unshare(unix.CLONE_NEWNET))
	}
	err := inNamespace(unshare, func() (err error) {
		if ns, err = currentNetns(); err != nil {
			return err
		}
		return loopbackUp()
	})
	if err != nil {
		if ns.file != nil {
			err = errors.Join(err, ns.Close())
		}
		return Netns{}, fmt.Errorf("make network namespace: %w", err)
	}
	return ns, nil
}

// Do runs f inside the namespace, on a thread of its own, and returns f's error.
// f runs in a new goroutine: a panic there is not recovered, and a test's
// FailNow there comes back as an error. Sockets and processes that f makes
// belong to the namespace; goroutines that f starts do not.
func (ns Netns) Do(f func() error) error { return inNamespace(ns.enter, f) }

// Close lets go of the namespace.
func (ns Netns) Close() error { return ns.file.Close() }

// enter moves the calling thread. A namespace that was closed meanwhile is an
// error; its descriptor's number is never used for something else.
func (ns Netns) enter() error {
	raw, err := ns.file.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = os.NewSyscallError("setns", unix.Setns(int(fd), unix.CLONE_NEWNET))
	})
	return errors.Join(err, failed)
}

// inNamespace runs leave, which takes a thread to another namespace, then f, and then returns the
// thread to its own namespace. A thread that cannot return is never used again: it stays locked, so
// it ends with its goroutine.
func inNamespace(leave, f func() error) error {
	done := make(chan error, 1)
	go func() {
		err := errNotReturned
		defer func() { done <- err }()
		runtime.LockOSThread()
		home, homeErr := currentNetns()
		if homeErr != nil {
			runtime.UnlockOSThread()
			err = homeErr
			return
		}
		defer func() { err = errors.Join(err, returnThread(home)) }()
		if err = leave(); err == nil {
			err = errNotReturned
			err = f()
		}
	}()
	return <-done
}

// returnThread unlocks the thread only if it is in its own namespace again.
func returnThread(home Netns) error {
	if err := home.enter(); err != nil {
		return fmt.Errorf("return to the namespace of before: %w", errors.Join(err, home.Close()))
	}
	runtime.UnlockOSThread()
	return home.Close()
}

// currentNetns holds the namespace of the calling thread, which must be locked.
// /proc/self would be the thread group leader's.
func currentNetns() (Netns, error) {
	file, err := os.Open("/proc/thread-self/ns/net")
	return Netns{file}, err
}

// loopbackUp sets up lo in the namespace of the calling thread.
func loopbackUp() error {
	links, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer links.Close()
	lo, err := links.LinkByName("lo")
	if err != nil {
		return err
	}
	return links.LinkSetUp(lo)
}

// namespace is a network namespace and the source ports that probes have used in it.
type namespace struct {
	ns    Netns
	ports sourcePorts
}

// newNamespace makes a namespace whose sysctls are those of the tables given, on
// top of those that every namespace gets. The tables come before any device,
// because devices copy their settings from conf/default when they appear.
func newNamespace(tables ...[]sysctl) (*namespace, error) {
	ns, err := NewNetns()
	if err != nil {
		return nil, err
	}
	err = ns.Do(func() error { return writeSysctls(append(tables, everyNamespace)...) })
	if err != nil {
		return nil, errors.Join(err, ns.Close())
	}
	return &namespace{ns: ns}, nil
}

// links opens a route socket inside the namespace. The caller closes it.
func (s *namespace) links() (*netlink.Handle, error) {
	var links *netlink.Handle
	err := s.ns.Do(func() (err error) {
		links, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	return links, err
}
