package main

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// sendHeld sends all packets over one connection. What does not arrive at once TCP sends again, so
// a short interruption shows as a late packet, and a reset as a refusal after which nothing is sent
// any more.
func (f flow) sendHeld(ctx context.Context) (*SendResult, error) {
	dialer := net.Dialer{Timeout: f.patience}
	conn, err := dialer.DialContext(ctx, "tcp", f.to)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	echoes := make(chan echoes, 1)
	go func() { echoes <- countEchoes(conn) }()
	result := f.pace(ctx, func(number uint64) error {
		_, err := conn.Write(packet{Flow: f.name, Number: number}.encode())
		return err
	})
	_ = conn.SetReadDeadline(time.Now().Add(f.patience)) // for the last answers
	_ = conn.(*net.TCPConn).CloseWrite()
	end := <-echoes
	result.Answered = end.count
	if errors.Is(end.err, syscall.ECONNRESET) {
		result.Refused++
	}
	return result, nil
}

// echoes is what came back over a connection until it ended, and why it did.
type echoes struct {
	count int64
	err   error
}

func countEchoes(conn net.Conn) (e echoes) {
	data := make([]byte, packetSize)
	for {
		if _, e.err = io.ReadFull(conn, data); e.err != nil {
			return e
		}
		e.count++
	}
}
