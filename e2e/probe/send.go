package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// SendResult is what the verb send prints.
type SendResult struct {
	Flow     string
	Sent     int // what the kernel took
	Answered int64
	// TCP connections that were reset or rejected, before or after they were open
	Refused int64
	// the longest time between two packets, of which 1/rate is meant: the floor of what is seen
	Late time.Duration
}

// flow is what to send.
type flow struct {
	name, network, to string
	from              string // address; empty: the kernel's choice
	rate              int
	patience          time.Duration
}

// send sends a flow until the time is over or standard input ends, and prints the result.
func send(ctx context.Context, args []string) error {
	f := flow{}
	flags := flag.NewFlagSet("send", flag.ContinueOnError)
	flags.StringVar(&f.name, "flow", "flow", "name of the flow, 16 bytes at most")
	flags.StringVar(&f.network, "network", "udp",
		"udp: datagrams of one socket; udp-new: of a socket each, without answers; tcp: a "+
			"connection each; tcp-held: one connection for all")
	flags.StringVar(&f.to, "to", "", "ADDRESS:PORT")
	flags.StringVar(&f.from, "from", "",
		"source address, which need not be this machine's; not with tcp-held")
	flags.IntVar(&f.rate, "rate", 1000, "packets a second")
	flags.DurationVar(&f.patience, "patience", 3*time.Second, "how long to wait for an answer")
	length := flags.Duration("for", 5*time.Minute,
		"how long to send; the end of standard input ends it too")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, *length)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	result, err := f.send(ctx)
	if err != nil {
		return err
	}
	return print(result)
}

func (f flow) send(ctx context.Context) (*SendResult, error) {
	switch f.network {
	case "udp":
		return f.sendUDP(ctx)
	case "udp-new":
		return f.pace(ctx, f.sendAlone), nil
	case "tcp":
		return f.sendTCP(ctx), nil
	case "tcp-held":
		return f.sendHeld(ctx)
	default:
		return nil, fmt.Errorf("--network %s: expected udp, udp-new, tcp or tcp-held", f.network)
	}
}

// mostAtOnce is how much of what is late is sent: more would find no room in a socket's buffer.
const mostAtOnce = 100

// pace calls each for the numbers from 0 on, at the rate, until ctx ends, and counts the successes.
// What is late is sent at once, up to a limit; the rest is left out.
func (f flow) pace(ctx context.Context, each func(number uint64) error) *SendResult {
	result := &SendResult{Flow: f.name}
	tick := time.NewTicker(time.Second / time.Duration(f.rate))
	defer tick.Stop()
	begun, last, number, leftOut := time.Now(), time.Now(), 0, 0
	for {
		select {
		case <-ctx.Done():
			return result
		case <-tick.C:
		}
		due := int(time.Since(begun).Seconds()*float64(f.rate)) - leftOut
		tooMany := max(0, due-number-mostAtOnce)
		leftOut += tooMany
		for due -= tooMany; number < due; number++ {
			if each(uint64(number)) == nil {
				result.Sent++
			}
		}
		now := time.Now()
		result.Late = max(result.Late, now.Sub(last))
		last = now
	}
}

func (f flow) sendUDP(ctx context.Context) (*SendResult, error) {
	conn, err := f.dialer().Dial("udp", f.to)
	if err != nil {
		return nil, err
	}
	answered := make(chan int64, 1)
	go func() { answered <- countAnswers(conn) }()
	result := f.pace(ctx, func(number uint64) error {
		_, err := conn.Write(packet{Flow: f.name, Number: number}.encode())
		return err
	})
	time.Sleep(min(f.patience, 300*time.Millisecond)) // for the last answers
	_ = conn.Close()
	result.Answered = <-answered
	return result, nil
}

// sendAlone sends a packet by a socket of its own, so that it is no part of a connection that the
// kernel knows. What this machine's own filter refuses counts as sent: it is lost like what is
// dropped on its way.
func (f flow) sendAlone(number uint64) error {
	conn, err := f.dialer().Dial("udp", f.to)
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write(packet{Flow: f.name, Number: number, Quiet: true}.encode())
	if errors.Is(err, syscall.EPERM) {
		return nil
	}
	return err
}

// countAnswers counts datagrams until the socket is closed; an ICMP error is none.
func countAnswers(conn net.Conn) (answered int64) {
	data := make([]byte, 2048)
	for {
		switch _, err := conn.Read(data); {
		case err == nil:
			answered++
		case errors.Is(err, net.ErrClosed):
			return answered
		}
	}
}

func (f flow) sendTCP(ctx context.Context) *SendResult {
	var answered, refused atomic.Int64
	var open sync.WaitGroup
	result := f.pace(ctx, func(number uint64) error {
		open.Go(func() {
			switch err := exchange(context.WithoutCancel(ctx), f.dialer(), f.to,
				packet{Flow: f.name, Number: number}.encode()); {
			case err == nil:
				answered.Add(1)
			case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET):
				refused.Add(1)
			}
		})
		return nil
	})
	open.Wait()
	result.Answered, result.Refused = answered.Load(), refused.Load()
	return result
}

// exchange opens a connection, sends data and waits until it comes back, each as long as the dialer
// waits. It leaves no port behind: the end of the connection is a reset.
func exchange(ctx context.Context, dialer *net.Dialer, to string, data []byte) error {
	conn, err := dialer.DialContext(ctx, "tcp", to)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.(*net.TCPConn).SetLinger(0)
	_ = conn.SetDeadline(time.Now().Add(dialer.Timeout))
	if _, err := conn.Write(data); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, len(data)))
	return err
}
