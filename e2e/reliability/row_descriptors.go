package main

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/e2e/listing"
)

// descriptors takes an agent's file descriptors away, from one that runs and from one that starts.
type descriptors struct{}

func (descriptors) Name() string { return "descriptors" }

func (descriptors) Plan() plan { return plan{} }

func (descriptors) Inject(s *testbed) error {
	t, err := s.newDisturbance()
	if err != nil {
		return err
	}
	spells := s.times(4, 2)
	for i := range spells {
		if err := t.starve(i, i%2); err != nil {
			return err
		}
	}
	starts := 0
	for limit := s.times(8, 12); limit <= 16; limit++ {
		if err := t.startWithFew(limit); err != nil {
			return err
		}
		starts++
	}
	s.done("%d times no descriptor left, %d starts with 16 or fewer", spells, starts)
	return nil
}

const starvation = time.Second

// starve leaves a running agent room for a few descriptors more than it has, for a while.
func (t *disturbance) starve(more, state int) error {
	pid := t.agent.cmd.Process.Pid
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		return err
	}
	var usual unix.Rlimit
	few := unix.Rlimit{Cur: uint64(len(open) + more)}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &usual); err != nil {
		return err
	}
	few.Max = usual.Max
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &few, nil); err != nil {
		return err
	}
	w := t.watch(starvation, state)
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &usual, nil); err != nil {
		return err
	}
	return t.recover(fmt.Sprintf("room for %d descriptors more", more), w, state)
}

// startWithFew starts the agent with few descriptors: it ends in order or works, and the rules are
// what they were.
func (t *disturbance) startWithFew(limit int) error {
	before, err := t.testbed.ruleset(t.agent.node)
	if err != nil {
		return err
	}
	t.agent.kill()
	if err := t.agent.start("sh", "-c", `ulimit -n "$0" && exec "$@"`,
		fmt.Sprint(limit)); err != nil {
		return err
	}
	var w observation
	for range 10 {
		t.testbed.sleep(50 * time.Millisecond)
		t.observe(&w)
	}
	t.testbed.note("started with %d descriptors: alive %t, %v", limit, t.agent.alive(), w)
	after, err := t.testbed.ruleset(t.agent.node)
	if diff := listing.Difference(before, after); diff != "" {
		t.testbed.fault("an agent with %d descriptors changed the rules:\n%s", limit, diff)
	}
	t.agent.kill()
	if startErr := t.agent.start(); startErr != nil {
		return startErr
	}
	if readyErr := t.agent.awaitReady(patience); readyErr != nil {
		return readyErr
	}
	return err
}
