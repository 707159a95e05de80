package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/vishvananda/netns"
)

// process is a program that runs. Its start tells it apart from a later one with the same number.
type process struct {
	Name  string
	PID   int
	Start string // clock ticks after the boot, from /proc/PID/stat
}

// alive reports whether it still runs.
func (p process) alive() bool {
	start, err := startOf(p.PID)
	return err == nil && start == p.Start
}

// startOf reads field 22 of /proc/PID/stat; a zombie has none.
func startOf(pid int) (string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", err
	}
	_, rest, _ := strings.Cut(string(data), ") ") // the name before it may hold anything
	fields := strings.Fields(rest)
	if len(fields) < 20 || fields[0] == "Z" {
		return "", fmt.Errorf("process %d has ended", pid)
	}
	return fields[19], nil
}

// stop ends it: in order if it does so within the time, by force otherwise.
func (p process) stop(grace time.Duration) {
	for _, attempt := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, grace}, {syscall.SIGKILL, 5 * time.Second}} {
		if !p.alive() {
			return
		}
		_ = syscall.Kill(p.PID, attempt.signal)
		for end := time.Now().Add(attempt.wait); p.alive() && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// inNetns calls f on a thread that is in the host's network namespace. A thread that cannot leave
// it afterwards is not used again.
func inNetns(h host, f func() error) error {
	runtime.LockOSThread()
	was, err := netns.Get()
	if err != nil {
		return err
	}
	defer was.Close()
	is, err := netns.GetFromName(h.netns())
	if err != nil {
		return fmt.Errorf("network namespace %s: %w", h.netns(), err)
	}
	defer is.Close()
	if err := netns.Set(is); err != nil {
		return err
	}
	err = f()
	if netns.Set(was) == nil {
		runtime.UnlockOSThread()
	}
	return err
}

// start runs a program on a host, in the background and beyond this process's end, and saves it in
// the state.
func (h home) start(s *state, on host, name string, cmd *exec.Cmd) error {
	log, err := os.Create(h.log(name))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setsid = true
	if err := inNetns(on, cmd.Start); err != nil {
		return fmt.Errorf("start %s on %s: %w", name, on.Name, err)
	}
	go func() { _ = cmd.Wait() }() // so that its end is seen while this process lives
	start, err := startOf(cmd.Process.Pid)
	if err != nil {
		return fmt.Errorf("%s ended at once; see %s", name, h.log(name))
	}
	s.Processes = append(s.Processes, process{name, cmd.Process.Pid, start})
	return h.save(s)
}
