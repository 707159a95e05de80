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

// datagrams is one pod that sends datagrams to another, some ten thousand a second while anybody
// looks, each from a new socket, so that each is a connection of its own to the firewall. Nothing
// is answered.
type datagrams struct {
	in       *sandbox.Cluster
	from     string
	to       netip.AddrPort
	server   net.PacketConn
	arrived  atomic.Int64 // the number of the last one that did
	failures chan error
}

// between is the pause from one datagram to the next; to send it takes some µs more.
const between = 40 * time.Microsecond

// newDatagrams opens the server's socket.
func newDatagrams(in *sandbox.Cluster, from, to sandbox.Pod) (d *datagrams, err error) {
	d = &datagrams{
		in: in, from: from.Name, to: netip.AddrPortFrom(to.Addrs[0], 8080),
		failures: make(chan error, 1),
	}
	err = in.InPod(to.Name, func() (err error) {
		d.server, err = net.ListenPacket("udp4", d.to.String())
		return err
	})
	if err == nil {
		go d.receive()
	}
	return d, err
}

func (d *datagrams) close() error { return d.server.Close() }

// receive notes the number of each datagram that arrives.
func (d *datagrams) receive() {
	for buffer := make([]byte, 64); ; {
		n, _, err := d.server.ReadFrom(buffer)
		if err != nil {
			return
		}
		if n == 8 {
			d.arrived.Store(int64(binary.BigEndian.Uint64(buffer)))
		}
	}
}

// sending is datagrams from begin until end: when each was sent, by its number from first on.
type sending struct {
	*datagrams
	first int64
	stop  chan struct{}
	ended sync.WaitGroup
	mu    sync.Mutex // guards sent
	sent  []time.Time
}

// begin sends until end.
func (d *datagrams) begin() *sending {
	s := &sending{datagrams: d, first: time.Now().UnixNano(), stop: make(chan struct{})}
	s.ended.Go(func() {
		if err := d.in.InPod(d.from, s.sendAll); err != nil {
			d.failures <- err
		}
	})
	return s
}

func (s *sending) sendAll() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0) // else a pause is 50 µs longer
	pause := unix.NsecToTimespec(int64(between))
	to := &unix.SockaddrInet4{Port: int(s.to.Port()), Addr: s.to.Addr().As4()}
	for number := s.first; ; number++ {
		select {
		case <-s.stop:
			return nil
		default:
		}
		s.mu.Lock()
		s.sent = append(s.sent, time.Now())
		s.mu.Unlock()
		if err := send(to, number); err != nil {
			return err
		}
		_ = unix.Nanosleep(&pause, nil)
	}
}

// send sends one datagram from a socket of its own. A firewall may refuse it at once.
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

// end stops sending, and returns the pauses between datagrams.
func (s *sending) end() (pauses samples) {
	close(s.stop)
	s.ended.Wait()
	for i := range s.sent[:max(0, len(s.sent)-1)] {
		pauses = append(pauses, s.sent[i+1].Sub(s.sent[i]))
	}
	return pauses
}

// count is how many were sent so far.
func (s *sending) count() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.sent))
}

// at is when a datagram was sent.
func (s *sending) at(index int64) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent[min(max(0, index), int64(len(s.sent)-1))]
}

// enough is how many datagrams in a row must be missing until traffic counts as denied.
const enough = 60

// denied waits until no datagram arrives any more, and returns when the first of those was sent.
func (s *sending) denied() (time.Time, error) {
	last := int64(-1)
	err := s.await("denied", func() bool {
		last = s.arrived.Load() - s.first
		return s.count() > max(last, -1)+enough
	})
	return s.at(last + 1), err
}

// allowed waits until a datagram arrives, and returns when that was sent.
func (s *sending) allowed() (time.Time, error) {
	arrived := int64(-1)
	err := s.await("allowed", func() bool {
		arrived = s.arrived.Load() - s.first
		return arrived >= 0
	})
	return s.at(arrived), err
}

func (s *sending) await(what string, is func() bool) error {
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		select {
		case err := <-s.failures:
			return err
		default:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("traffic is not %s after 10 s", what)
		}
	}
	return nil
}
