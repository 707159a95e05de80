package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// buffers gives an agent sockets with buffers of 4 KiB, whatever it asks for. With a small one to
// receive it must get by. With a small one to send no big change can be made: then it must say so
// and leave the rules as they are.
//
// net.core.rmem_default, which would do the same to programs that do not ask, is the same for all
// network namespaces, so this changes what the program asks the kernel for instead.
type buffers struct{}

func (buffers) Name() string { return "socket-buffers" }

func (buffers) Plan() plan { return plan{} }

// OnlyNftables says what the row is about.
func (buffers) OnlyNftables() string { return "a socket of the agent by which it changes rules" }

func (buffers) Inject(s *testbed) error {
	t, err := s.newDisturbance()
	if err != nil {
		return err
	}
	rounds := s.times(4, 1)
	for i := range rounds {
		if err := errors.Join(t.receiveLittle(1), t.sendLittle(0, 1), t.undisturbed()); err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
	}
	s.done("%d starts with 4 KiB to receive, %[1]d with 4 KiB to send", rounds)
	return nil
}

// startSmall changes the state while nobody runs the node, and starts the agent with 4 KiB in those
// calls of setsockopt that strace's when selects. An agent asks for its buffer to receive first,
// for that to send next.
func (t *disturbance) startSmall(state int, when string) error {
	t.agent.kill()
	if err := t.testbed.churn.setState(state); err != nil {
		return err
	}
	small := fmt.Sprintf("%x", binary.NativeEndian.AppendUint32(nil, 4096))
	return t.agent.start(t.testbed.env.strace, "-D", "-f", "-qq", "-o", "/dev/null", "-e",
		"trace=setsockopt",
		"-e", "inject=setsockopt:poke_enter=@arg4="+small+when)
}

// receiveLittle has an agent that cannot receive much bring the kernel to a state.
func (t *disturbance) receiveLittle(state int) error {
	if err := t.startSmall(state, ":when=1+2"); err != nil {
		return err
	}
	return t.recover("4 KiB to receive", observation{}, state)
}

// sendLittle has an agent that cannot send much try to bring the kernel from one state to another.
func (t *disturbance) sendLittle(to, from int) error {
	if err := t.startSmall(to, ""); err != nil {
		return err
	}
	var w observation
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); {
		t.testbed.sleep(50 * time.Millisecond)
		t.observe(&w)
	}
	t.testbed.note("4 KiB to send: %v", w)
	if !t.agent.alive() {
		t.testbed.fault("the agent has ended")
	}
	if err := t.expected.check(t.testbed, from); err != nil {
		t.testbed.fault("an agent that cannot send has changed the rules: %v", err)
	}
	return nil
}

// undisturbed restarts the agent as it should be run.
func (t *disturbance) undisturbed() error {
	t.agent.kill()
	if err := t.agent.start(); err != nil {
		return err
	}
	return t.agent.awaitReady(patience)
}
