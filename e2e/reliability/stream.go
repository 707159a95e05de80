package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// sendInterval is how often the sending end of a stream sends a number.
const sendInterval = 100 * time.Millisecond

// stream is a connection that stays open: one end sends a number every sendInterval, from 1 on, the
// other one receives. Whoever sends, the client opens it; over UDP with one datagram, which is all
// that it ever sends.
type stream struct {
	from     string // the client's pod
	to       string // address and port of the server
	network  string // tcp or udp; over udp it is the server that sends
	pushed   bool   // the server sends
	received atomic.Int64
	highest  atomic.Uint64 // number
	last     atomic.Int64  // when one arrived, in nanoseconds since 1970
	pause    atomic.Int64  // the longest between two, in nanoseconds
	reset    atomic.Bool
	ends     [2]io.Closer
}

func (x *stream) String() string {
	return fmt.Sprintf("%s > %s %s, pushed %t", x.from, x.to, x.network, x.pushed)
}

// listeningPort is where the server of streams waits on one port.
type listeningPort struct {
	listener net.Listener
	packets  net.PacketConn
}

// listenOn listens in a pod.
func (s *testbed) listenOn(pod, port string) (d listeningPort, err error) {
	err = s.InPod(pod, func() error {
		var udp error
		d.listener, err = net.Listen("tcp", ":"+port)
		d.packets, udp = net.ListenPacket("udp", ":"+port)
		return errors.Join(err, udp)
	})
	return d, err
}

func (d listeningPort) close() { _, _ = d.listener.Close(), d.packets.Close() }

// accept returns the server's end of the connection that was just opened.
func (d listeningPort) accept(network string) (io.WriteCloser, io.Reader, error) {
	if network == "tcp" {
		conn, err := d.listener.Accept()
		return conn, conn, err
	}
	_, client, err := d.packets.ReadFrom(make([]byte, 8))
	return udpClient{d.packets, client}, nil, err
}

// udpClient is a client of the server's only UDP socket.
type udpClient struct {
	net.PacketConn
	client net.Addr
}

func (v udpClient) Write(b []byte) (int, error) { return v.WriteTo(b, v.client) }

func (v udpClient) Close() error { return nil } // the others use it, too

// open opens a stream and starts its sender.
func (x *stream) open(s *testbed, at listeningPort) error {
	var client net.Conn
	err := s.InPod(x.from, func() (err error) {
		client, err = net.DialTimeout(x.network, x.to, patience)
		return err
	})
	if err == nil && x.network == "udp" {
		_, err = client.Write(make([]byte, 8))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", x, err)
	}
	out, in, err := at.accept(x.network)
	if err != nil {
		return fmt.Errorf("%s: %w", x, err)
	}
	x.ends = [2]io.Closer{client, out}
	if x.pushed {
		in = client
	} else {
		out = client
	}
	go x.sendNumbers(out)
	go x.receiveNumbers(in)
	return nil
}

func (x *stream) close() {
	for _, end := range x.ends {
		if end != nil {
			_ = end.Close()
		}
	}
}

// sendNumbers goes on until the connection has ended; a UDP socket reports passing failures, too.
func (x *stream) sendNumbers(to io.Writer) {
	for number := uint64(1); ; number++ {
		_, err := to.Write(binary.BigEndian.AppendUint64(nil, number))
		if errors.Is(err, net.ErrClosed) || err != nil && x.network == "tcp" {
			x.ended(err)
			return
		}
		time.Sleep(sendInterval)
	}
}

func (x *stream) receiveNumbers(from io.Reader) {
	var message [8]byte
	for {
		switch _, err := io.ReadFull(from, message[:]); {
		case err == nil:
			x.note(binary.BigEndian.Uint64(message[:]), time.Now().UnixNano())
		case errors.Is(err, net.ErrClosed), x.network == "tcp":
			x.ended(err)
			return
		}
	}
}

func (x *stream) note(number uint64, now int64) {
	if before := x.last.Swap(now); before > 0 {
		x.pause.Store(max(x.pause.Load(), now-before))
	}
	x.received.Add(1)
	x.highest.Store(max(x.highest.Load(), number))
}

// ended notes an end that nobody here has made.
func (x *stream) ended(err error) {
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ETIMEDOUT) {
		x.reset.Store(true)
	}
}

// lost is how many numbers are missing.
func (x *stream) lost() int { return int(x.highest.Load()) - int(x.received.Load()) }

// awaitProgress waits until all of some streams have received something more.
func (s *testbed) awaitProgress(streams []*stream) (time.Duration, error) {
	before := make([]int64, len(streams))
	for i, x := range streams {
		before[i] = x.received.Load()
	}
	return s.await(patience, "open connections go on", func() error {
		for i, x := range streams {
			if x.received.Load() <= before[i] {
				return fmt.Errorf("%s is silent", x)
			}
		}
		return nil
	})
}
