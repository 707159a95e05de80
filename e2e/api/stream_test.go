package api

import (
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// stream is a flow of datagrams between two pods, a thousand a second in each family: what the
// firewall lets through for longer than a millisecond is received.
type stream struct {
	begun       time.Time
	sent, heard atomic.Int64
	done        chan struct{}
	socks       []net.Conn
	all         sync.WaitGroup
	once        sync.Once
}

const firstStream = 9090 // the port of a world's first

// stream begins one that lasts until its end is called, or that of the test.
func (w *testCluster) stream(from, to string) *stream {
	w.Helper()
	port := firstStream + w.streams
	w.streams++
	s := &stream{begun: time.Now(), done: make(chan struct{})}
	for _, addr := range w.pods[to].Addrs {
		receiver, sender, err := w.datagrams(from, to, netip.AddrPortFrom(addr, port))
		w.must(nil, err)
		s.socks = append(s.socks, receiver, sender)
		s.all.Go(func() { s.receive(receiver) })
		s.all.Go(func() { s.send(sender) })
	}
	w.Cleanup(s.end)
	return s
}

// datagrams returns a socket in each of the pods.
func (w *testCluster) datagrams(from, to string, at netip.AddrPort) (receiver, sender *net.UDPConn,
	err error) {
	err = w.cluster.InPod(w.pods[to].Name, func() (err error) {
		receiver, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	err = w.cluster.InPod(w.pods[from].Name, func() (err error) {
		sender, err = net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
		return err
	})
	return receiver, sender, err
}

func (s *stream) receive(receiver *net.UDPConn) {
	var buffer [64]byte
	for {
		if _, err := receiver.Read(buffer[:]); err != nil {
			return
		}
		s.heard.Add(1)
	}
}

func (s *stream) send(sender *net.UDPConn) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
			if _, err := sender.Write([]byte("x")); err == nil {
				s.sent.Add(1)
			}
		}
	}
}

// end stops it. Ending again does nothing.
func (s *stream) end() {
	s.once.Do(func() {
		close(s.done)
		for _, sock := range s.socks {
			_ = sock.Close()
		}
		s.all.Wait()
	})
}

// endForbidden ends a stream of which nothing may have arrived. To show that it would have been
// received, the policies are then taken away, and it must arrive.
func (w *testCluster) endForbidden(s *stream) {
	w.Helper()
	took, sent, heard := time.Since(s.begun), s.sent.Load(), s.heard.Load()
	w.Logf("%d forbidden datagrams in %s, %d arrived", sent, took.Round(time.Millisecond), heard)
	if heard != 0 {
		w.Errorf("%d forbidden datagrams arrived", heard)
	}
	if rate := float64(sent) / took.Seconds(); rate < 200 {
		w.Errorf("only %.0f datagrams a second were sent: too few to see a hole", rate)
	}
	w.apply("metadata: {name: open}\nspec: {podSelector: {}, ingress: [{}]}")
	eventually(w.T, wait, func() error {
		if s.heard.Load() == 0 {
			return errors.New("the stream is not heard even where it is allowed")
		}
		return nil
	})
	s.end()
	w.deletePolicies("open")
}
