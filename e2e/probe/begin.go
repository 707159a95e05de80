package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"time"
)

// Begun is what a pod knows of its first moments.
type Begun struct {
	Sent  int           // forbidden datagrams
	Delay time.Duration // from the first of them until a permitted one was answered
}

// beginning is what a pod does first of all.
type beginning struct {
	flow                 string
	number               uint64 // of the pod among all of the flow
	forbidden, permitted string // ADDRESS:PORT
}

// goesOn is how long it goes on after a permitted datagram was answered.
const goesOn = 200 * time.Millisecond

// begin sends what is forbidden as its first act, one datagram a millisecond, and what is permitted beside it until that
// is answered; then it prints what it knows.
func begin(ctx context.Context, args []string) error {
	b := beginning{}
	flags := flag.NewFlagSet("begin", flag.ContinueOnError)
	flags.StringVar(&b.flow, "flow", "begin", "name of the forbidden flow, 16 bytes at most")
	flags.Uint64Var(&b.number, "number", 0, "of this pod among those of the flow")
	flags.StringVar(&b.forbidden, "forbidden", "", "ADDRESS:PORT of a server")
	flags.StringVar(&b.permitted, "permitted", "", "ADDRESS:PORT of a server")
	patience := flags.Duration("patience", 5*time.Minute, "how long to wait for an answer")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := context.WithTimeoutCause(ctx, *patience, fmt.Errorf("%s: no answer within %v", b.permitted, *patience))
	defer stop()
	begun, err := b.run(ctx)
	if err != nil {
		return err
	}
	return print(begun)
}

func (b beginning) run(ctx context.Context) (*Begun, error) {
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
	begun, tick, end := &Begun{}, time.Tick(time.Millisecond), (<-chan time.Time)(nil)
	for {
		if _, err := forbidden.Write(b.packet(begun.Sent).encode()); err == nil {
			begun.Sent++
		}
		if begun.Delay == 0 {
			_, _ = permitted.Write(packet{Flow: "permitted"}.encode())
		}
		select {
		case begun.Delay = <-answered:
			end = time.After(goesOn)
		case <-end:
			return begun, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick:
		}
	}
}

// packet is a forbidden one.
func (b beginning) packet(number int) packet {
	return packet{Flow: b.flow, Number: b.number<<32 | uint64(number), Quiet: true}
}

// firstAnswer says how long it took until a datagram came; what an ICMP error says is none.
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
