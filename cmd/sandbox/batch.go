package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Run sends all probes at once and waits for each, at most for the timeout, from
// the moment that the last one left. The outcomes are in the order of the probes.
// A thousand probes cost one timeout; more than maxVolley open sockets cost
// another, and so do neighbours that the kernel has no room for. An error means
// that probes could not be made or not be trusted, not that none got through.
func (c *Cluster) Run(ctx context.Context, probes []Probe, timeout time.Duration) ([]Outcome, error) {
	outcomes := make([]Outcome, len(probes))
	shots, err := c.load(probes, outcomes)
	if err != nil {
		return nil, err
	}
	crowded := false
	for volley := range slices.Chunk(shots, maxVolley()) {
		tight, err := runVolley(ctx, volley, timeout)
		if err != nil {
			return nil, err
		}
		crowded = crowded || tight
	}
	if crowded {
		err = c.repeatSilent(ctx, shots, timeout)
	}
	return outcomes, err
}

// repeatSilent gives every silent probe another chance, with room for all of its neighbours.
func (c *Cluster) repeatSilent(ctx context.Context, shots []*shot, timeout time.Duration) error {
	for volley := range slices.Chunk(stillSilent(shots), min(calmVolley, maxVolley())) {
		if err := c.runCalmly(ctx, volley, timeout); err != nil {
			return err
		}
	}
	return nil
}

// runCalmly tries more than once, because others on the machine use the table too.
func (c *Cluster) runCalmly(ctx context.Context, volley []*shot, timeout time.Duration) error {
	for range calmTries {
		if err := c.forgetNeighbours(); err != nil {
			return err
		}
		crowded, err := runVolley(ctx, volley, timeout)
		if err != nil || !crowded {
			return err
		}
		volley = stillSilent(volley)
	}
	return errCrowded
}

func stillSilent(shots []*shot) []*shot {
	return slices.DeleteFunc(slices.Clone(shots), func(s *shot) bool { return *s.result != Silent })
}

// load makes the shots, or none if one of the probes cannot be.
func (c *Cluster) load(probes []Probe, outcomes []Outcome) ([]*shot, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	shots := make([]*shot, 0, len(probes))
	for i, p := range probes {
		from, err := c.pod(p.From)
		if err != nil {
			return nil, fmt.Errorf("probe %s: %w", p, err)
		}
		s, err := newShot(p, from, &outcomes[i])
		if err != nil {
			return nil, err
		}
		shots = append(shots, s)
	}
	return shots, nil
}

// maxVolley is how many sockets probes may hold at a time. The Go runtime has
// raised the soft limit to the hard one when the process started; a part of it is
// for the servers' ends of the same connections, and for everybody else.
func maxVolley() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 256
	}
	return int(max(1, min(limit.Cur/3, 4096)))
}

const (
	// calmVolley is a number of probes whose neighbours fit into any kernel's
	// table: each takes an entry at either end, and in the nodes between.
	calmVolley = 200
	calmTries  = 3
)

// volley is the probes that share one deadline.
type volley struct {
	shots   []*shot
	poller  int // epoll; an event's Fd field is the shot's index
	pending int
}

// runVolley reports also whether the kernel lacked room for neighbours meanwhile.
func runVolley(ctx context.Context, shots []*shot, timeout time.Duration) (crowded bool, err error) {
	before, err := overflows()
	if err != nil {
		return false, err
	}
	if err := fireAndListen(ctx, shots, timeout); err != nil {
		return false, err
	}
	after, err := overflows()
	return after != before, err
}

func fireAndListen(ctx context.Context, shots []*shot, timeout time.Duration) error {
	poller, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create", err)
	}
	v := &volley{shots: shots, poller: poller, pending: len(shots)}
	defer v.close()
	if err := v.fire(); err != nil {
		return err
	}
	return v.listen(ctx, timeout)
}

func (v *volley) close() {
	for _, s := range v.shots {
		s.close()
	}
	unix.Close(v.poller)
}

// fire visits each namespace once, in the order in which the probes name them.
func (v *volley) fire() error {
	var order []*space
	groups := map[*space][]int{}
	for i, s := range v.shots {
		if groups[s.space] == nil {
			order = append(order, s.space)
		}
		groups[s.space] = append(groups[s.space], i)
	}
	for _, space := range order {
		if err := space.ns.Do(func() error { return v.fireGroup(groups[space]) }); err != nil {
			return err
		}
	}
	return nil
}

// fireGroup runs in the namespace that the group leaves from.
func (v *volley) fireGroup(group []int) error {
	for _, i := range group {
		s := v.shots[i]
		settled, err := s.fire()
		if err != nil {
			return fmt.Errorf("probe %s: %w", s.Probe, err)
		}
		if settled {
			v.pending--
			continue
		}
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(v.poller, unix.EPOLL_CTL_ADD, s.fd, &event); err != nil {
			return fmt.Errorf("probe %s: %w", s.Probe, os.NewSyscallError("epoll_ctl", err))
		}
	}
	return nil
}

// listen settles probes until none is pending or the time is up and everything that
// had arrived by then is read: a prober that was kept from the processor must not
// take an answer for silence.
func (v *volley) listen(ctx context.Context, timeout time.Duration) error {
	left, resend := timeout, timeout*3/4
	for late := time.Duration(0); v.pending > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		nap := max(0, min(left, maxNap))
		began := time.Now()
		heard, err := v.hear(nap)
		if err != nil {
			return err
		}
		took := time.Since(began)
		if left <= 0 {
			late += took
		}
		if left -= counted(took, nap); left <= 0 && heard == 0 || late > grace {
			return nil
		}
		if 0 < left && left <= resend {
			v.resend()
			resend -= timeout / 4
		}
	}
	return nil
}

const (
	maxNap = 20 * time.Millisecond // how late a cancelled context is noticed
	grace  = time.Second           // for reading what had arrived by the deadline
)

// counted is how much of a nap's length is time in which an answer could have come. A
// nap much longer than was asked for is a machine that stood still, servers included:
// a virtual machine can lose a second of its processors like that.
func counted(took, nap time.Duration) time.Duration { return min(took, nap+maxNap) }

// hear waits for answers and takes what came.
func (v *volley) hear(wait time.Duration) (events int, err error) {
	var ready [256]unix.EpollEvent
	milliseconds := int((wait + time.Millisecond - 1) / time.Millisecond)
	events, err = unix.EpollWait(v.poller, ready[:], milliseconds)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return 0, os.NewSyscallError("epoll_wait", err)
	}
	for i := range max(0, events) {
		if v.shots[ready[i].Fd].hear() {
			v.pending--
		}
	}
	return max(0, events), nil
}

// resend repeats the datagrams of the UDP probes that wait.
func (v *volley) resend() {
	for _, s := range v.shots {
		if s.fd >= 0 && s.send() {
			v.pending--
		}
	}
}
