package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// outsideVariable is the environment variable by which a process that executes itself again tells
// the new one which network namespace it came from. A process is inside if it has the variable, is
// in another namespace, and is the first of its pid namespace: to inherit the variable is not
// enough.
const outsideVariable = "PICKET_SANDBOX_OUTSIDE"

// Enter moves a verb into fresh namespaces: network, mounts, processes, and for
// anybody but root also users. The verb calls it first.
//
// Where the process is not inside yet, Enter runs it again with args (without
// the program's name) and the same standard streams, passes SIGINT and SIGTERM
// on, and returns inside = false with the exit code to end with. Where it is
// inside already, it prepares /proc and lo and returns inside = true.
//
// Inside, the process is the first of its pid namespace: whatever it has started
// dies with it, and it dies with the process outside, even by SIGKILL.
func Enter(args []string) (inside bool, code int, err error) {
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return false, 1, err
	}
	if from, told := os.LookupEnv(outsideVariable); told && from != here && os.Getpid() == 1 {
		if err := prepare(); err != nil {
			return true, 1, fmt.Errorf("prepare the sandbox: %w", err)
		}
		return true, 0, nil
	}
	code, err = reexecute(args, here)
	return false, code, err
}

// prepare prepares the new namespaces. A /proc of its own is not allowed inside
// of some containers; with the old one everything works but other programs' view
// of their pids.
func prepare() error {
	if err := os.Unsetenv(outsideVariable); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return explain(os.NewSyscallError("mount / private", err), readSetting)
	}
	err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	if err != nil && !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return os.NewSyscallError("mount /proc", err)
	}
	return loopbackUp()
}

// reexecute runs this program inside. The thread stays locked until the child has
// ended, since the child's death signal hangs on it.
func reexecute(args []string, here string) (code int, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), outsideVariable+"="+here)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = newNamespaces(os.Geteuid(), os.Getegid())
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return 1, explain(fmt.Errorf("enter the sandbox: %w", err), readSetting)
	}
	ended := make(chan struct{})
	defer close(ended)
	go forward(signals, cmd.Process, ended)
	return exitCode(cmd.Wait())
}

// newNamespaces asks for the namespaces. Anybody but root needs a user namespace, in
// which they are root, to be allowed the others.
func newNamespaces(uid, gid int) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Pdeathsig:  unix.SIGKILL,
	}
	if uid != 0 {
		attr.Cloneflags |= unix.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{HostID: uid, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{HostID: gid, Size: 1}}
	}
	return attr
}

// forward passes signals on, except for an interrupt from the keyboard: the
// terminal has sent that to the child as well.
func forward(signals <-chan os.Signal, to *os.Process, ended <-chan struct{}) {
	for {
		select {
		case s := <-signals:
			if s != unix.SIGINT || !inForeground() {
				_ = to.Signal(s) // it has ended if this fails
			}
		case <-ended:
			return
		}
	}
}

// inForeground reports whether the keyboard's signals go to this process group.
func inForeground() bool {
	tty, err := unix.Open("/dev/tty", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(tty)
	group, err := unix.IoctlGetInt(tty, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// exitCode turns the end of the child into an exit code, as a shell would.
func exitCode(end error) (int, error) {
	var exit *exec.ExitError
	if !errors.As(end, &exit) {
		return 0, end
	}
	if status := exit.Sys().(syscall.WaitStatus); status.Signaled() {
		return 128 + int(status.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// namespaceSysctls are the sysctls that keep users from having namespaces of their own, the value
// by which they do, and the one that lets them.
var namespaceSysctls = []struct{ name, forbids, allows string }{
	{"kernel.unprivileged_userns_clone", "0", "1"},             // Debian's patch
	{"user.max_user_namespaces", "0", "15000"},                 // RHEL's default until 8
	{"kernel.apparmor_restrict_unprivileged_userns", "1", "0"}, // Ubuntu since 23.10
}

// explain adds to a refusal what stands in the way, if it finds out.
func explain(err error, read func(sysctl string) string) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.ENOSPC) {
		return err
	}
	for _, s := range namespaceSysctls {
		if read(s.name) == s.forbids {
			return fmt.Errorf("%w: this kernel lets only root make namespaces (%s = %s); "+
				"run as root, or: sysctl -w %s=%s", err, s.name, s.forbids, s.name, s.allows)
		}
	}
	return fmt.Errorf("%w: making namespaces is not permitted here "+
		"(a container's seccomp profile, or no CAP_SYS_ADMIN)", err)
}

// readSetting returns the value of a sysctl; "" if this kernel does not have it.
func readSetting(sysctl string) string {
	value, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(sysctl, ".", "/"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(value))
}
