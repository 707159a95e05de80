package sandbox

import (
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// launcher starts processes from one thread that lives as long as the cluster. The kernel ties a
// parent-death signal (prctl(2), PR_SET_PDEATHSIG) to the thread that forked, not to the process:
// a thread that ends earlier would kill its children.
type launcher struct {
	requests chan launchRequest
	once     sync.Once
	closed   chan struct{} // closed when no process can be started any more
}

// launchRequest asks for a process in a namespace.
type launchRequest struct {
	in   Netns
	cmd  *exec.Cmd
	done chan error
}

// newLauncher starts the thread that all processes are started from.
func newLauncher() *launcher {
	l := &launcher{requests: make(chan launchRequest), closed: make(chan struct{})}
	go l.run()
	return l
}

// run never unlocks its thread, so the thread ends with it, and the children end with the thread.
// For the same reason it need not return to its first namespace between requests. The process's
// first thread would not end: while run is on that one, it keeps that thread busy and runs on
// another one.
func (l *launcher) run() {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		other := make(chan struct{})
		go func() { defer close(other); l.run() }()
		<-other
		runtime.UnlockOSThread()
		return
	}
	for {
		select {
		case r := <-l.requests:
			r.done <- r.launch()
		case <-l.closed:
			return
		}
	}
}

// launch forks the child from the calling thread, so that it inherits the namespace.
func (r launchRequest) launch() error {
	if err := r.in.enter(); err != nil {
		return err
	}
	return r.cmd.Start()
}

// start waits until the child runs, not until it ends. It sets the death signal in the command if
// there is none.
func (l *launcher) start(in Netns, cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if cmd.SysProcAttr.Pdeathsig == 0 {
		cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	}
	r := launchRequest{in, cmd, make(chan error, 1)}
	select {
	case l.requests <- r:
		return <-r.done
	case <-l.closed:
		return ErrNotFound
	}
}

// close ends the thread, and so the processes. Closing again does nothing.
func (l *launcher) close() { l.once.Do(func() { close(l.closed) }) }
