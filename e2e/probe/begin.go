package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"time"
)

// BeginResult is what the verb begin prints.
type BeginResult struct {
	Sent  int           // forbidden datagrams
	Delay time.Duration // from the first of them until a permitted one was answered
}

// firstPackets is what a pod sends before anything else.
type firstPackets struct {
	flow                 string
	number               uint64 // of the pod among all of the flow
	forbidden, permitted string // ADDRESS:PORT
}

// afterAnswer is how long it goes on after a permitted datagram was answered.
const afterAnswer = 200 * time.Millisecond

// begin sends forbidden datagrams before anything else, one a millisecond, and permitted ones
// beside them until one is answered; then it prints the result.
func begin(ctx context.Context, args []string) error {
	b := firstPackets{}
	flags := flag.NewFlagSet("begin", flag.ContinueOnError)
	flags.StringVar(&b.flow, "flow", "begin", "name of the forbidden flow, 16 bytes at most")
	flags.Uint64Var(&b.number, "number", 0, "of this pod among those of the flow")
	flags.StringVar(&b.forbidden, "forbidden", "", "ADDRESS:PORT of a server")
	flags.StringVar(&b.permitted, "permitted", "", "ADDRESS:PORT of a server")
	patience := flags.Duration("patience", 5*time.Minute, "how long to wait for an answer")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := context.WithTimeoutCause(ctx, *patience,
		fmt.Errorf("%s: no answer within %v", b.permitted, *patience))
	defer stop()
	begun, err := b.run(ctx)
	if err != nil {
		return err
	}
	return print(begun)
}

func (b firstPackets) run(ctx context.Context) (*BeginResult, error) {
	forbidden, err := net.Dial("udp", b.forbidden)
	if err != nil {
		return nil, err
	}
	defer forbidden.Close()
	permitted, err := net.Dial("udp", b.permitted)
	if err != nil {
		return nil, err
	}
	defer permitted.Close()
	answered := make(chan time.Duration, 1)
	go firstAnswer(permitted, time.Now(), answered)
	begun, tick, end := &BeginResult{}, time.Tick(time.Millisecond), (<-chan time.Time)(nil)
	for {
		if _, err := forbidden.Write(b.packet(begun.Sent).encode()); err == nil {
			begun.Sent++
		}
		if begun.Delay == 0 {
			_, _ = permitted.Write(packet{Flow: "permitted"}.encode())
		}
		select {
		case begun.Delay = <-answered:
			end = time.After(afterAnswer)
		case <-end:
			return begun, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick:
		}
	}
}

// packet is a forbidden datagram.
func (b firstPackets) packet(number int) packet {
	return packet{Flow: b.flow, Number: b.number<<32 | uint64(number), Quiet: true}
}

// firstAnswer measures how long it takes until a datagram comes; an ICMP error is none.
func firstAnswer(conn net.Conn, since time.Time, answered chan<- time.Duration) {
	for {
		_, err := conn.Read(make([]byte, packetSize))
		if err == nil {
			answered <- time.Since(since)
			return
		}
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}
