package main

import (
	"time"

	"github.com/prometheus/procfs"
)

// span is a time of an agent's, from which what the machine kept it waiting for a processor can be told apart: two
// processors have to serve all senders, receivers and agents of a row.
type span struct {
	agent  *agent
	began  time.Time
	waited time.Duration
}

func (a *agent) span() span { return span{a, time.Now(), a.waited()} }

func (s span) took() time.Duration { return time.Since(s.began) }

// held is how long the agent's threads have waited since, in sum: at least as long as its work was held up.
func (s span) held() time.Duration { return max(0, s.agent.waited()-s.waited) }

// spans are those of all agents.
func (s *scene) spans() (all []span) {
	for _, a := range s.agents {
		all = append(all, a.span())
	}
	return all
}

// longestHeld is what the machine held up one of them at most.
func longestHeld(all []span) (longest time.Duration) {
	for _, one := range all {
		longest = max(longest, one.held())
	}
	return longest
}

// waited is how long the threads of the agent have waited for a processor since they began (/proc/PID/task/*/schedstat).
// It is nothing where the kernel doesn't tell.
func (a *agent) waited() (sum time.Duration) {
	threads, err := procfs.AllThreads(a.cmd.Process.Pid)
	if err != nil {
		return 0
	}
	for _, t := range threads {
		if stat, err := t.Schedstat(); err == nil {
			sum += time.Duration(stat.WaitingNanoseconds)
		}
	}
	return sum
}
