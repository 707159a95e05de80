package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/picket-project/picket/cmd/sandbox"
)

// knocks is one pod that sends datagrams to another, some ten thousand a second while anybody looks, each from a new
// socket, so that each is a connection of its own to the firewall. Nothing is ever answered.
type knocks struct {
	in       *sandbox.Cluster
	from     string
	to       netip.AddrPort
	door     net.PacketConn
	arrived  atomic.Int64 // the number of the last one that did
	failures chan error
}

// between is the pause from one knock to the next; to send it takes some µs more.
const between = 40 * time.Microsecond

// newKnocks opens the door.
func newKnocks(in *sandbox.Cluster, from, to sandbox.Pod) (k *knocks, err error) {
	k = &knocks{in: in, from: from.Name, to: netip.AddrPortFrom(to.Addrs[0], 8080), failures: make(chan error, 1)}
	err = in.InPod(to.Name, func() (err error) {
		k.door, err = net.ListenPacket("udp4", k.to.String())
		return err
	})
	if err == nil {
		go k.hear()
	}
	return k, err
}

func (k *knocks) close() error { return k.door.Close() }

func (k *knocks) hear() {
	for buffer := make([]byte, 64); ; {
		n, _, err := k.door.ReadFrom(buffer)
		if err != nil {
			return
		}
		if n == 8 {
			k.arrived.Store(int64(binary.BigEndian.Uint64(buffer)))
		}
	}
}

// round is knocks from a beginning on: when each was sent, by its number from first on.
type round struct {
	*knocks
	first int64
	stop  chan struct{}
	ended sync.WaitGroup
	mu    sync.Mutex // guards sent
	sent  []time.Time
}

// begin knocks until end.
func (k *knocks) begin() *round {
	r := &round{knocks: k, first: time.Now().UnixNano(), stop: make(chan struct{})}
	r.ended.Go(func() {
		if err := k.in.InPod(k.from, r.knock); err != nil {
			k.failures <- err
		}
	})
	return r
}

func (r *round) knock() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // else a pause is 50 µs longer
	pause := unix.NsecToTimespec(int64(between))
	to := &unix.SockaddrInet4{Port: int(r.to.Port()), Addr: r.to.Addr().As4()}
	for number := r.first; ; number++ {
		select {
		case <-r.stop:
			return nil
		default:
		}
		r.mu.Lock()
		r.sent = append(r.sent, time.Now())
		r.mu.Unlock()
		if err := send(to, number); err != nil {
			return err
		}
		_ = unix.Nanosleep(&pause, nil)
	}
}

// send sends one from a socket of its own. A firewall may refuse it at once.
func send(to unix.Sockaddr, number int64) error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	err = unix.Sendto(socket, binary.BigEndian.AppendUint64(nil, uint64(number)), 0, to)
	if errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}

// end stops it, and returns the pauses that there were.
func (r *round) end() (pauses samples) {
	close(r.stop)
	r.ended.Wait()
	for i := range r.sent[:max(0, len(r.sent)-1)] {
		pauses = append(pauses, r.sent[i+1].Sub(r.sent[i]))
	}
	return pauses
}

// count is how many were sent so far.
func (r *round) count() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return int64(len(r.sent))
}

// at is when one was sent.
func (r *round) at(index int64) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent[min(max(0, index), int64(len(r.sent)-1))]
}

// enough is how many knocks in a row say that a door is shut.
const enough = 60

// shut waits until no knock arrives any more, and returns when the first one of those was sent.
func (r *round) shut() (time.Time, error) {
	last := int64(-1)
	err := r.await("shut", func() bool {
		last = r.arrived.Load() - r.first
		return r.count() > max(last, -1)+enough
	})
	return r.at(last + 1), err
}

// open waits until a knock arrives, and returns when that was sent.
func (r *round) open() (time.Time, error) {
	heard := int64(-1)
	err := r.await("open", func() bool {
		heard = r.arrived.Load() - r.first
		return heard >= 0
	})
	return r.at(heard), err
}

func (r *round) await(what string, is func() bool) error {
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		select {
		case err := <-r.failures:
			return err
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the door is not %s after 10 s", what)
		}
	}
	return nil
}
