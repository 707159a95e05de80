package conntrack

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// longest is how long the kernel has for each message of an answer: one that never comes must not
// hold the loop up for ever. It is far more than it takes to pass a million entries by.
const longest = 30 * time.Second

// netNamespace is a network namespace in which sockets can be opened at any time.
type netNamespace struct{ file *os.File }

// openNetNamespace gets hold of one by its file descriptor; 0: the calling thread's.
func openNetNamespace(fd int) (*netNamespace, error) {
	if fd != 0 {
		own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return nil, fmt.Errorf("open network namespace: %w", err)
		}
		return &netNamespace{os.NewFile(uintptr(own), "network namespace")}, nil
	}
	file, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	return &netNamespace{file}, nil
}

// do calls open with how a socket gets into the namespace. A thread that is there does not enter it:
// that needs CAP_SYS_ADMIN, which an agent does not have.
func (n *netNamespace) do(open func(netns.NsHandle) error) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	own, err := os.Stat("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	wanted, err := n.file.Stat()
	if err != nil {
		return err
	}
	if os.SameFile(own, wanted) {
		return open(netns.None())
	}
	return open(netns.NsHandle(n.file.Fd()))
}

// asker is the sockets that one look at a time needs. They last from look to look, but not beyond an
// error: a dump that was left in the middle goes on, and for as long as it does the kernel answers
// another one on its socket with EBUSY.
type asker struct {
	at *netNamespace

	mu     sync.Mutex // guards closed, and that the sockets are not changed while they are closed
	closed bool       // for good; another goroutine may do that during a look

	links            *netlink.Handle // nil: they are to be opened
	entries, endings *nl.SocketHandle
}

// newAsker opens the sockets; the caller closes them.
func newAsker(at *netNamespace) (*asker, error) {
	a := &asker{at: at}
	return a, a.open()
}

// open opens the sockets if that is due.
func (a *asker) open() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return os.ErrClosed
	}
	if a.links != nil {
		return nil
	}
	if err := a.at.do(a.openAt); err != nil {
		a.forget()
		return fmt.Errorf("open netlink socket: %w", err)
	}
	return nil
}

// openAt opens the sockets; after an error some may be open.
func (a *asker) openAt(at netns.NsHandle) (err error) {
	if a.links, err = netlink.NewHandleAt(at, unix.NETLINK_ROUTE); err != nil {
		a.links = nil
		return err
	}
	for _, socket := range []**nl.SocketHandle{&a.entries, &a.endings} {
		s, err := nl.GetNetlinkSocketAt(at, netns.None(), unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		*socket = &nl.SocketHandle{Socket: s}
	}
	return a.limit(longest)
}

// limit sets how long the kernel has for each message.
func (a *asker) limit(longest time.Duration) error {
	most := unix.NsecToTimeval(longest.Nanoseconds())
	for _, s := range []*nl.SocketHandle{a.entries, a.endings} {
		// These only note it, and return no error.
		_ = s.Socket.SetSendTimeout(&most)
		_ = s.Socket.SetReceiveTimeout(&most)
	}
	return a.links.SetSocketTimeout(longest)
}

// close closes the sockets for good. Any goroutine may call it.
func (a *asker) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.closeSockets()
}

// forget has other sockets opened. The caller holds the lock.
func (a *asker) forget() {
	a.closeSockets()
	a.links, a.entries, a.endings = nil, nil, nil
}

// closeSockets closes those that are open.
func (a *asker) closeSockets() {
	if a.links != nil {
		a.links.Close()
	}
	for _, socket := range []*nl.SocketHandle{a.entries, a.endings} {
		if socket != nil {
			socket.Close()
		}
	}
}

// look calls do with open sockets. After an error the next one gets others.
func (a *asker) look(do func() error) error {
	if err := a.open(); err != nil {
		return err
	}
	err := do()
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil && !a.closed {
		a.forget()
	}
	return err
}
