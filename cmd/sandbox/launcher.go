package sandbox

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// nursery starts processes from one thread that lives as long as the cluster.
// The kernel ties a parent-death signal to the thread that forked, not to the
// process, so any shorter-lived thread would kill its children early.
type nursery struct {
	births chan birth
	once   sync.Once
	gone   chan struct{} // closed when no birth is possible any more
}

type birth struct {
	in   Netns
	cmd  *exec.Cmd
	done chan error
}

func newNursery() *nursery {
	n := &nursery{births: make(chan birth), gone: make(chan struct{})}
	go n.run()
	return n
}

// run never unlocks its thread, so the thread ends with it, and the children
// with the thread. For the same reason it need not come home between births.
// The process's first thread would not end: while run is on that one, it keeps
// it busy and runs on another.
func (n *nursery) run() {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		other := make(chan struct{})
		go func() { defer close(other); n.run() }()
		<-other
		runtime.UnlockOSThread()
		return
	}
	for {
		select {
		case b := <-n.births:
			b.done <- b.deliver()
		case <-n.gone:
			return
		}
	}
}

// deliver forks the child from the calling thread, so that it inherits the namespace.
func (b birth) deliver() error {
	if err := b.in.enter(); err != nil {
		return err
	}
	return b.cmd.Start()
}

// start waits until the child runs, not until it ends. It sets the death signal
// in the command where there is none.
func (n *nursery) start(in Netns, cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if cmd.SysProcAttr.Pdeathsig == 0 {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	b := birth{in, cmd, make(chan error, 1)}
	select {
	case n.births <- b:
		return <-b.done
	case <-n.gone:
		return ErrNotFound
	}
}

func (n *nursery) close() { n.once.Do(func() { close(n.gone) }) }
