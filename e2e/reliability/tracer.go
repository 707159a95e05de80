package main

import (
	"bufio"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// tracer is strace at a running process: what it does to the system calls ends with it.
type tracer struct{ cmd *exec.Cmd }

// trace attaches to an agent and returns when it is attached. An expression is what strace takes as
// -e.
func (s *testbed) trace(a *agent, expressions ...string) (*tracer, error) {
	argv := []string{"-f", "-o", "/dev/null", "-p", fmt.Sprint(a.cmd.Process.Pid)}
	for _, e := range expressions {
		argv = append(argv, "-e", e)
	}
	t := &tracer{exec.Command(s.env.strace, argv...)}
	said, err := t.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.StartInNode(a.node, t.cmd); err != nil {
		return nil, fmt.Errorf("strace: %w", err)
	}
	lines := bufio.NewReader(said)
	line, err := lines.ReadString('\n')
	if err != nil || !strings.Contains(line, "attached") {
		t.detach()
		return nil, fmt.Errorf("strace: %s, %w", line, err)
	}
	go func() { _, _ = lines.WriteTo(new(strings.Builder)) }() // threads that come and go
	return t, nil
}

// detaching is how long strace has for it. Where a traced process is about to execute a program it
// waits for ever: its parent stops after that only. The kernel lets all go where strace is killed.
const detaching = 2 * time.Second

// detach lets the process go on undisturbed.
func (t *tracer) detach() {
	_ = t.cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(detaching, func() { _ = t.cmd.Process.Kill() })
	defer kill.Stop()
	_ = t.cmd.Wait()
}
