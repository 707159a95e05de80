package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// try asks each target, "tcp/ADDRESS:PORT=PATIENCE" or "udp/…", and prints a map from
// "tcp/ADDRESS:PORT" to "open" or why not.
func try(ctx context.Context, args []string) error {
	results := map[string]string{}
	var mu sync.Mutex // guards results
	var open sync.WaitGroup
	for _, arg := range args {
		target, wait, _ := strings.Cut(arg, "=")
		patience, err := time.ParseDuration(wait)
		if err != nil {
			return fmt.Errorf("%s: %w; expected such as tcp/10.0.0.1:80=1s", arg, err)
		}
		open.Go(func() {
			result := "open"
			if err := ask(ctx, target, patience); err != nil {
				result = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			results[target] = result
		})
	}
	open.Wait()
	return print(results)
}

func ask(ctx context.Context, target string, patience time.Duration) error {
	network, to, found := strings.Cut(target, "/")
	data := packet{Flow: "try"}.encode()
	switch {
	case found && network == "tcp":
		return exchange(ctx, &net.Dialer{Timeout: patience}, to, data)
	case found && network == "udp":
		return askUDP(to, data, patience)
	default:
		return errors.New("expected tcp/ADDRESS:PORT or udp/ADDRESS:PORT")
	}
}

// askUDP asks once a second, as a resolver would.
func askUDP(to string, data []byte, patience time.Duration) error {
	conn, err := net.Dial("udp", to)
	if err != nil {
		return err
	}
	defer conn.Close()
	for end := time.Now().Add(patience); err == nil || time.Now().Before(end); {
		_ = conn.SetDeadline(time.Now().Add(min(time.Second, time.Until(end))))
		if _, err = conn.Write(data); err != nil {
			return err
		}
		if _, err = io.ReadFull(conn, make([]byte, len(data))); err == nil {
			return nil
		}
	}
	return err
}
