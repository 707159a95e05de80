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

// Run sends all probes at once and waits for each, at most for the timeout, from the moment that
// the last one left. The outcomes are in the order of the probes. A thousand probes cost one
// timeout; more than maxSockets of them cost another, and so do neighbours that the kernel has no
// room for. An error means that probes could not be made or not be trusted, not that none got
// through.
func (c *Cluster) Run(
	ctx context.Context, probes []Probe, timeout time.Duration,
) ([]Outcome, error) {
	outcomes := make([]Outcome, len(probes))
	sockets, err := c.prepareProbes(probes, outcomes)
	if err != nil {
		return nil, err
	}
	overflowed := false
	for some := range slices.Chunk(sockets, maxSockets()) {
		full, err := runBatch(ctx, some, timeout)
		if err != nil {
			return nil, err
		}
		overflowed = overflowed || full
	}
	if overflowed {
		err = repeater{c, timeout}.repeatSilent(ctx, sockets)
	}
	return outcomes, err
}

// repeater sends silent probes again after the kernel had no room for their neighbours.
type repeater struct {
	cluster *Cluster
	timeout time.Duration
}

// repeatSilent sends every silent probe again, with room for all of its neighbours.
func (r repeater) repeatSilent(ctx context.Context, sockets []*probeSocket) error {
	for some := range slices.Chunk(silentOf(sockets), min(smallBatch, maxSockets())) {
		if err := r.runSmall(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// runSmall tries more than once, because others on the machine use the neighbour table, too.
func (r repeater) runSmall(ctx context.Context, sockets []*probeSocket) error {
	for range smallBatchTries {
		if err := r.cluster.forgetNeighbours(); err != nil {
			return err
		}
		overflowed, err := runBatch(ctx, sockets, r.timeout)
		if err != nil || !overflowed {
			return err
		}
		sockets = silentOf(sockets)
	}
	return errNeighboursFull
}

// silentOf returns those whose probe is silent up to now.
func silentOf(sockets []*probeSocket) []*probeSocket {
	return slices.DeleteFunc(slices.Clone(sockets), func(s *probeSocket) bool {
		return *s.result != Silent
	})
}

// prepareProbes checks all probes before the first is sent.
func (c *Cluster) prepareProbes(probes []Probe, outcomes []Outcome) ([]*probeSocket, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sockets := make([]*probeSocket, 0, len(probes))
	for i, p := range probes {
		from, err := c.pod(p.From)
		if err != nil {
			return nil, fmt.Errorf("probe %s: %w", p, err)
		}
		s, err := newProbeSocket(p, from, &outcomes[i])
		if err != nil {
			return nil, err
		}
		sockets = append(sockets, s)
	}
	return sockets, nil
}

// maxSockets is how many sockets probes may have at a time. The Go runtime has raised the soft
// limit to the hard one when the process started. A part of it is for the servers' ends of the same
// connections, and for everybody else.
func maxSockets() int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 256
	}
	return int(max(1, min(limit.Cur/3, 4096)))
}

const (
	// smallBatch is a number of probes whose neighbours fit into any kernel's table: each takes an
	// entry at either end, and in the nodes between.
	smallBatch      = 200
	smallBatchTries = 3
)

// batch is the probes that share one deadline.
type batch struct {
	sockets []*probeSocket
	poller  int // epoll; an event's Fd field is the index of the socket
	pending int // how many have no outcome yet
}

// runBatch also reports whether the kernel lacked room for neighbours meanwhile.
func runBatch(
	ctx context.Context, sockets []*probeSocket, timeout time.Duration,
) (overflowed bool, err error) {
	before, err := overflows()
	if err != nil {
		return false, err
	}
	if err := sendAndAwait(ctx, sockets, timeout); err != nil {
		return false, err
	}
	after, err := overflows()
	return after != before, err
}

// sendAndAwait sends the probes and waits until each has an outcome or the time is up.
func sendAndAwait(ctx context.Context, sockets []*probeSocket, timeout time.Duration) error {
	poller, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create", err)
	}
	b := &batch{sockets: sockets, poller: poller, pending: len(sockets)}
	defer b.close()
	// The timeout begins when the last probe has left.
	if err := b.send(); err != nil {
		return err
	}
	return b.await(ctx, timeout)
}

// close closes the sockets of the probes that got no answer, and the poller.
func (b *batch) close() {
	for _, s := range b.sockets {
		s.close()
	}
	unix.Close(b.poller)
}

// send visits each namespace once, in the order in which the probes name them.
func (b *batch) send() error {
	var order []*namespace
	groups := map[*namespace][]int{}
	for i, s := range b.sockets {
		if groups[s.namespace] == nil {
			order = append(order, s.namespace)
		}
		groups[s.namespace] = append(groups[s.namespace], i)
	}
	for _, from := range order {
		if err := from.ns.Do(func() error { return b.sendGroup(groups[from]) }); err != nil {
			return err
		}
	}
	return nil
}

// sendGroup sends probes by their index. It runs in the namespace that they leave from.
func (b *batch) sendGroup(group []int) error {
	for _, i := range group {
		s := b.sockets[i]
		finished, err := s.start()
		if err != nil {
			return fmt.Errorf("probe %s: %w", s.Probe, err)
		}
		if finished {
			b.pending--
			continue
		}
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(i)}
		if err := unix.EpollCtl(b.poller, unix.EPOLL_CTL_ADD, s.fd, &event); err != nil {
			return fmt.Errorf("probe %s: %w", s.Probe, os.NewSyscallError("epoll_ctl", err))
		}
	}
	return nil
}

// await receives answers until no probe is pending, or the time is up and everything that had
// arrived by then is read. A prober that did not get the processor must not take an answer for
// silence.
func (b *batch) await(ctx context.Context, timeout time.Duration) error {
	left, resend := timeout, timeout*3/4
	for late := time.Duration(0); b.pending > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		wait := max(0, min(left, maxWait))
		began := time.Now()
		events, err := b.receive(wait)
		if err != nil {
			return err
		}
		took := time.Since(began)
		if left <= 0 {
			late += took
		}
		if left -= counted(took, wait); left <= 0 && events == 0 || late > lateLimit {
			return nil
		}
		if 0 < left && left <= resend {
			b.resend()
			resend -= timeout / 4
		}
	}
	return nil
}

const (
	maxWait   = 20 * time.Millisecond // how late a cancelled context is seen
	lateLimit = time.Second           // for reading what had arrived by the deadline
)

// counted is how much of a wait counts as time in which an answer could have come. A wait that took
// much longer than was asked for means that the machine stood still, servers included: a virtual
// machine can lose a second of its processors like that.
func counted(took, wait time.Duration) time.Duration { return min(took, wait+maxWait) }

// receive waits for answers and reads what came.
func (b *batch) receive(wait time.Duration) (events int, err error) {
	var ready [256]unix.EpollEvent
	milliseconds := int((wait + time.Millisecond - 1) / time.Millisecond)
	events, err = unix.EpollWait(b.poller, ready[:], milliseconds)
	if err != nil && !errors.Is(err, unix.EINTR) {
		return 0, os.NewSyscallError("epoll_wait", err)
	}
	for i := range max(0, events) {
		if b.sockets[ready[i].Fd].receive() {
			b.pending--
		}
	}
	return max(0, events), nil
}

// resend repeats the datagrams of the UDP probes that are pending.
func (b *batch) resend() {
	for _, s := range b.sockets {
		if s.fd >= 0 && s.send() {
			b.pending--
		}
	}
}
