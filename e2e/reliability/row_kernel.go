package main

import (
	"fmt"
	"time"
)

// kernelErrors makes the kernel refuse an agent's netlink calls, now and then or half of the time,
// while policies change. The agent must live through it with the rules that it had, say why it is
// not ready while it is not, and reach what is wanted when the kernel is back to normal.
type kernelErrors struct{}

func (kernelErrors) Name() string { return "kernel-errors" }

func (kernelErrors) Plan() plan { return plan{} }

// errorPeriod is an error that some system calls get for a while, one of every so many.
type errorPeriod struct {
	calls, errno string
	every        int
	length       time.Duration
}

func (x errorPeriod) String() string {
	return fmt.Sprintf("%s for %d %% of %s", x.errno, 100/x.every, x.calls)
}

// errorPeriods lists all errors in both directions at all rates; a short run has the worst rate
// only. In the last one the agent can ask nothing about its host, until it has forgotten the
// answers of before.
func (s *testbed) errorPeriods() []errorPeriod {
	rates, length := []int{100, 10, 2}[s.times(0, 2):],
		time.Duration(s.times(2000, 700))*time.Millisecond
	var all []errorPeriod
	for _, calls := range []string{"recvmsg,recvfrom", "sendmsg,sendto"} {
		for _, errno := range []string{"ENOBUFS", "ENOMEM", "EINTR", "EPERM", "EBUSY", "ERESTART",
			"EMSGSIZE"} {
			for _, every := range rates {
				all = append(all, errorPeriod{calls, errno, every, length})
			}
		}
	}
	return append(all,
		errorPeriod{"sendto", "ENOBUFS", 1, time.Duration(s.times(25, 1)) * time.Second})
}

func (kernelErrors) Inject(s *testbed) error {
	t, err := s.newDisturbance()
	if err != nil {
		return err
	}
	periods := s.errorPeriods()
	for i, x := range periods {
		if err := t.withErrors(x, i%2); err != nil {
			return fmt.Errorf("%s: %w", x, err)
		}
	}
	if !t.saidNotReady {
		s.fault("the agent has never said that it is not ready")
	}
	s.done("%d periods of errors", len(periods))
	return nil
}

// withErrors has one kind of error happen for a while.
func (t *disturbance) withErrors(x errorPeriod, state int) error {
	tracer, err := t.testbed.trace(t.agent, "trace="+x.calls,
		fmt.Sprintf("inject=%s:error=%s:when=%d+%[3]d", x.calls, x.errno, x.every))
	if err != nil {
		return err
	}
	w := t.watch(x.length, state)
	tracer.detach()
	return t.recover(x.String(), w, state)
}
