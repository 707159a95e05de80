package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/procfs"
)

// span is a time of an agent's, from which what the machine kept it waiting for a processor can be
// told apart: two processors have to serve all senders, receivers and agents of a row.
type span struct {
	agent  *agent
	began  time.Time
	waited map[int]time.Duration // by thread
	missed time.Duration         // by the pulse
}

func (a *agent) span() span { return span{a, time.Now(), a.waited(), a.testbed.stalls.missed()} }

func (s span) took() time.Duration { return time.Since(s.began) }

// heldUp is how long the machine stood still since, or for how long one of the agent's threads has
// waited, the one that waited longest. Its work goes from thread to thread, so it was held up for
// as long or longer.
func (s span) heldUp() time.Duration {
	longest := s.agent.testbed.stalls.missed() - s.missed
	for thread, waited := range s.agent.waited() {
		longest = max(longest, waited-s.waited[thread])
	}
	return longest
}

// stallMeter wakes at an interval to see how long the machine stood still: a virtual one loses its
// processors at times, all at once.
type stallMeter struct{ nanoseconds atomic.Int64 }

const stallInterval = 10 * time.Millisecond

// newStallMeter measures until ctx ends.
func newStallMeter(ctx context.Context) *stallMeter {
	p := &stallMeter{}
	go func() {
		for last := time.Now(); ctx.Err() == nil; last = time.Now() {
			time.Sleep(stallInterval)
			if gap := time.Since(last); gap > 2*stallInterval { // less is how timers are
				p.nanoseconds.Add(int64(gap - stallInterval))
			}
		}
	}()
	return p
}

// missed is the sum of the times by which it woke late.
func (p *stallMeter) missed() time.Duration { return time.Duration(p.nanoseconds.Load()) }

// spans are those of all agents.
func (s *testbed) spans() (all []span) {
	for _, a := range s.agents {
		all = append(all, a.span())
	}
	return all
}

// longestHeld is what the machine held up one of them at most.
func longestHeld(all []span) (longest time.Duration) {
	for _, one := range all {
		longest = max(longest, one.heldUp())
	}
	return longest
}

// waited is how long each thread of the agent has waited for a processor since it began
// (/proc/PID/task/*/schedstat). It is empty where the kernel doesn't tell.
func (a *agent) waited() map[int]time.Duration {
	threads, _ := procfs.AllThreads(a.cmd.Process.Pid)
	each := map[int]time.Duration{}
	for _, t := range threads {
		if stat, err := t.Schedstat(); err == nil {
			each[t.PID] = time.Duration(stat.WaitingNanoseconds)
		}
	}
	return each
}
